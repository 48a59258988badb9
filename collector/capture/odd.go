package capture

import (
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/bulkhead/bulkhead/flow"
)

var oddDecoders = map[LinkType]gopacket.Decoder{
	LinkFDDI:     layers.LinkTypeFDDI,
	LinkWLAN:     layers.LinkTypeIEEE802_11,
	LinkPFLog:    layers.LinkTypePFLog,
	LinkPrism:    layers.LinkTypePrismHeader,
	LinkRadioTap: layers.LinkTypeIEEE80211Radio,
}

// oddLink decodes a link type that is met rarely through gopacket, down to the
// first IP layer, and walks from there, so that what lies above IP is read by the
// same code whatever lay below. gopacket 1.1.19 panics on some hostile frames: its
// recovery stays on, ours stands behind it, and both are counted.
func (w *Walker) oddLink(f *Frame, p *Packet) (why flow.DropReason) {
	first, ok := oddDecoders[f.Link]
	if !ok {
		return flow.DropLinkType
	}
	defer func() {
		if recover() != nil {
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
	if failure, ok := packet.ErrorLayer().(*gopacket.DecodeFailure); ok && failure.Dump() != "" {
		return flow.DropPanic // it dumps the stack of a panic
	}
	return flow.DropNotIP
}
