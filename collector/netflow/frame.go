package netflow

import (
	"fmt"

	gosflow "github.com/netsampler/goflow2/v2/decoders/sflow"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// links are the link types of sFlow's header_protocol (sflow_version_5.txt).
var links = map[uint32]capture.LinkType{
	1: capture.LinkEthernet, 4: capture.LinkFDDI, 5: capture.LinkFRelay, 7: capture.LinkPPP,
	11: capture.LinkRaw, 12: capture.LinkRaw, 14: capture.LinkPPPHDLC, 15: capture.LinkWLAN,
}

// sampledFrame reads the first bytes of a packet as a capture's frame would be
// read, tunnels opened. Bytes are counted at layer 3, from the IP header.
func (d *Decoder) sampledFrame(r *plan.Row, h *gosflow.SampledHeader) (flow.DropReason, error) {
	link, ok := links[h.Protocol]
	if !ok {
		return flow.DropLinkType, fmt.Errorf("sampled header of protocol %d", h.Protocol)
	}
	frame := capture.Frame{
		Time: d.now, Link: link, Length: h.FrameLength,
		Data: h.HeaderData[:min(uint64(len(h.HeaderData)), uint64(h.OriginalLength))],
	}
	var p capture.Packet
	if why := d.walker.Walk(&frame, &p); why != flow.DropNone {
		return why, fmt.Errorf("sampled header: %v", why)
	}
	if p.Fragment == capture.LaterFragment {
		return flow.DropFragment, fmt.Errorf("sampled header: a later fragment has no ports")
	}
	r.Src, r.Dst = plan.Addr(p.Src), plan.Addr(p.Dst)
	r.SrcPort, r.DstPort, r.Proto, r.Bytes = p.SrcPort, p.DstPort, p.Proto, uint64(p.Bytes)
	r.Flags, r.InitFlags = p.Flags, opening(p.Flags)
	r.VLAN, r.VNI, r.Encap = p.VLAN, p.VNI, p.Encap
	return flow.DropNone, nil
}
