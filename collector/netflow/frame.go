package netflow

import (
	"encoding/binary"
	"errors"
	"fmt"

	gosflow "github.com/netsampler/goflow2/v2/decoders/sflow"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// Header protocols of a sampled header (sflow_version_5.txt, header_protocol).
const (
	headerEthernet = 1
	headerIPv4     = 11
	headerIPv6     = 12
)

var errCut = errors.New("sampled header ends too soon")

// sampledFrame reads the first bytes of a packet. Bytes are counted at layer 3,
// from the IP header, because the frame length has padding, checksum and tags.
func sampledFrame(r *plan.Row, h *gosflow.SampledHeader) (flow.DropReason, error) {
	b := h.HeaderData[:min(len(h.HeaderData), int(h.OriginalLength))]
	switch h.Protocol {
	case headerEthernet:
		return frameEthernet(r, b)
	case headerIPv4:
		return frameIPv4(r, b)
	case headerIPv6:
		return frameIPv6(r, b)
	}
	return flow.DropLinkType, fmt.Errorf("sampled header of protocol %d", h.Protocol)
}

func frameEthernet(r *plan.Row, b []byte) (flow.DropReason, error) {
	if len(b) < 14 {
		return flow.DropTruncated, errCut
	}
	kind, b := binary.BigEndian.Uint16(b[12:]), b[14:]
	for tags := 0; kind == 0x8100 || kind == 0x88a8 || kind == 0x9100; tags++ { // 802.1Q, 802.1ad
		if len(b) < 4 || tags == 4 {
			return flow.DropTruncated, errCut
		}
		if r.VLAN == 0 {
			r.VLAN = binary.BigEndian.Uint16(b) & 0xfff
		}
		kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	switch kind {
	case 0x0800:
		return frameIPv4(r, b)
	case 0x86dd:
		return frameIPv6(r, b)
	case 0x8847, 0x8848:
		return frameMPLS(r, b)
	}
	return flow.DropNotIP, fmt.Errorf("sampled frame of type %#04x", kind)
}

// frameMPLS skips the label stack (RFC 3032 §2.1); what follows says by its first
// four bits whether it is IP.
func frameMPLS(r *plan.Row, b []byte) (flow.DropReason, error) {
	for depth := 0; len(b) >= 5 && depth < 8; depth++ {
		bottom := b[2]&1 != 0
		b = b[4:]
		if bottom {
			switch b[0] >> 4 {
			case 4:
				return frameIPv4(r, b)
			case 6:
				return frameIPv6(r, b)
			}
			return flow.DropNotIP, errors.New("no IP under MPLS")
		}
	}
	return flow.DropTruncated, errCut
}

func frameIPv4(r *plan.Row, b []byte) (flow.DropReason, error) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return flow.DropTruncated, errCut
	}
	head := int(b[0]&15) * 4
	if head < 20 {
		return flow.DropMalformed, fmt.Errorf("IPv4 header of %d bytes", head)
	}
	r.Src, r.Dst, r.Proto = plan.Addr4(b[12:]), plan.Addr4(b[16:]), b[9]
	r.Bytes = uint64(binary.BigEndian.Uint16(b[2:]))
	if offset := binary.BigEndian.Uint16(b[6:]) & 0x1fff; offset != 0 {
		return flow.DropFragment, errors.New("a later fragment was sampled: it has no ports")
	}
	return frameTransport(r, b[min(head, len(b)):])
}

func frameIPv6(r *plan.Row, b []byte) (flow.DropReason, error) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return flow.DropTruncated, errCut
	}
	r.Src, r.Dst = plan.Addr16(b[8:]), plan.Addr16(b[24:])
	r.Bytes = uint64(binary.BigEndian.Uint16(b[4:])) + 40
	next, b := b[6], b[40:]
	for range 8 { // RFC 8200 §4.1: extension headers
		switch next {
		case 0, 43, 60: // hop-by-hop, routing, destination options
			if len(b) < 8 || len(b) < 8+int(b[1])*8 {
				return flow.DropTruncated, errCut
			}
			next, b = b[0], b[8+int(b[1])*8:]
			continue
		case 44:
			if len(b) < 8 {
				return flow.DropTruncated, errCut
			}
			if binary.BigEndian.Uint16(b[2:])&^7 != 0 {
				return flow.DropFragment, errors.New("a later fragment was sampled: it has no ports")
			}
			next, b = b[0], b[8:]
			continue
		}
		break
	}
	r.Proto = next
	return frameTransport(r, b)
}

func frameTransport(r *plan.Row, b []byte) (flow.DropReason, error) {
	switch {
	case r.Proto == flow.ICMP || r.Proto == flow.ICMPv6:
		if len(b) < 2 {
			return flow.DropTruncated, errCut
		}
		r.DstPort = binary.BigEndian.Uint16(b)
	case flow.HasPorts(r.Proto):
		if len(b) < 4 {
			return flow.DropTruncated, errCut
		}
		r.SrcPort, r.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		if r.Proto == flow.TCP && len(b) >= 14 {
			r.Flags, r.InitFlags = b[13], opening(b[13])
		}
	}
	return flow.DropNone, nil
}
