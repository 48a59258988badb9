package capture

import (
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/bulkhead/bulkhead/flow"
)

// oddLinks decodes link types that are met rarely through gopacket.
type oddLinks struct {
	panics uint64
}

var oddDecoders = map[LinkType]gopacket.Decoder{
	LinkFDDI:     layers.LinkTypeFDDI,
	LinkWLAN:     layers.LinkTypeIEEE802_11,
	LinkPFLog:    layers.LinkTypePFLog,
	LinkPrism:    layers.LinkTypePrismHeader,
	LinkRadioTap: layers.LinkTypeIEEE80211Radio,
}

// walk decodes down to the first IP layer and walks from there, so that what lies
// above IP is read by the same code whatever lay below. gopacket 1.1.19 panics on
// some hostile frames: its recovery stays on, and ours stands behind it.
func (o *oddLinks) walk(w *Walker, f *Frame, p *Packet) (why flow.DropReason) {
	first, ok := oddDecoders[f.Link]
	if !ok {
		return flow.DropLinkType
	}
	defer func() {
		if recover() != nil {
			o.panics++
			why = flow.DropPanic
		}
	}()
	packet := gopacket.NewPacket(f.Data, first, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	for _, kind := range []gopacket.LayerType{layers.LayerTypeIPv4, layers.LayerTypeIPv6} {
		if l := packet.Layer(kind); l != nil {
			contents := l.LayerContents()
			b := contents[:len(contents)+len(l.LayerPayload())] // the payload follows in the same array
			return w.ipAny(b, uint32(len(b)), p)
		}
	}
	return flow.DropNotIP
}
