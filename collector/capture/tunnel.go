package capture

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/flow"
)

// UDP ports that tunnels are registered on.
const (
	portGTPU    = 2152
	portTeredo  = 3544
	portVXLAN   = 4789
	portGPE     = 4790 // VXLAN-GPE
	portGeneve  = 6081
	portMPLSUDP = 6635
	portVXLANLx = 8472 // what Linux used before the registration
	portAYIYA   = 5072 // draft-massar-v6ops-ayiya
)

// tunnelPort is asked for every UDP packet, so it is a few comparisons.
func tunnelPort(src, dst uint16) bool {
	switch dst {
	case portVXLAN, portVXLANLx, portGeneve, portGTPU, portTeredo, portMPLSUDP, portGPE, portAYIYA:
		return true
	}
	return src == portTeredo || src == portAYIYA
}

// enter opens an encapsulation: the packet that carries it becomes the outer one.
// When what is inside turns out not to be IP, the outer packet is what counts.
func (w *Walker) enter(kind flow.Encap, vni uint32, p *Packet, open func(p *Packet) flow.DropReason) flow.DropReason {
	outer, before := *p, w.outer
	if w.depth++; w.depth > maxDepth {
		return flow.DropDepth
	}
	if p.OuterSrc == (Addr{}) || w.outer.Encap == flow.EncapERSPAN {
		p.OuterSrc, p.OuterDst = p.Src, p.Dst
		w.outer = outer
		w.outer.OuterSrc, w.outer.OuterDst = Addr{}, Addr{}
		switch {
		case kind == flow.EncapERSPAN:
			w.outer.Encap = kind
		case outer.Encap == flow.EncapERSPAN:
			w.outer.Encap = flow.EncapNone
		}
	}
	p.Encap = kind
	if vni != 0 {
		p.VNI = vni
	}
	if why := open(p); why != flow.DropNone {
		*p, w.outer = outer, before
	}
	return flow.DropNone
}

// udpTunnel opens what p.Payload carries if it is what its port says.
func (w *Walker) udpTunnel(left uint32, p *Packet) flow.DropReason {
	b := p.Payload
	ethernet := func(off int) func(*Packet) flow.DropReason {
		return func(p *Packet) flow.DropReason { return w.ethernet(b[off:], after(left, uint32(off)), p) }
	}
	switch p.DstPort {
	case portVXLAN, portVXLANLx: // RFC 7348 §5
		if len(b) >= 8+14 && b[0]&0x08 != 0 {
			return w.enter(flow.EncapVXLAN, be24(b[4:]), p, ethernet(8))
		}
	case portGPE:
		return w.vxlanGPE(b, left, p)
	case portGeneve: // RFC 8926 §3.4
		if off := 8 + 4*int(at(b, 0)&0x3f); len(b) >= off && b[0]>>6 == 0 {
			kind := binary.BigEndian.Uint16(b[2:])
			return w.enter(flow.EncapGeneve, be24(b[4:]), p, func(p *Packet) flow.DropReason {
				return w.etherType(kind, b[off:], after(left, uint32(off)), p)
			})
		}
	case portGTPU:
		return w.gtpu(b, left, p)
	case portMPLSUDP: // RFC 7510
		return w.enter(flow.EncapMPLS, 0, p, func(p *Packet) flow.DropReason { return w.mpls(b, left, p) })
	}
	switch {
	case p.DstPort == portTeredo || p.SrcPort == portTeredo:
		return w.teredo(b, left, p)
	case p.DstPort == portAYIYA || p.SrcPort == portAYIYA:
		return w.ayiya(b, left, p)
	}
	return flow.DropNone
}

// bareTeredo reports whether b is an IPv6 packet with an end in Teredo's prefix
// 2001::/32 (RFC 4380 §2.6): two Teredo clients talk to each other on any port.
func bareTeredo(b []byte) bool {
	if len(b) < 40 || b[0]>>4 != 6 || 40+int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		return false
	}
	const prefix = 0x20010000
	return binary.BigEndian.Uint32(b[8:]) == prefix || binary.BigEndian.Uint32(b[24:]) == prefix
}

// ayiya opens draft-massar-v6ops-ayiya §3: identity and signature, whose lengths
// the first two octets hold, then what the next-header octet says.
func (w *Walker) ayiya(b []byte, left uint32, p *Packet) flow.DropReason {
	if len(b) < 8 {
		return flow.DropNone
	}
	off := 8 + 1<<(b[0]>>4) + 4*int(b[1]>>4)
	if next := b[3]; len(b) < off+20 || next != 41 && next != 4 {
		return flow.DropNone
	}
	return w.enter(flow.EncapIPIP, 0, p, func(p *Packet) flow.DropReason {
		return w.ipAny(b[off:], after(left, uint32(off)), p)
	})
}

// vxlanGPE opens draft-ietf-nvo3-vxlan-gpe §3: a next-protocol octet.
func (w *Walker) vxlanGPE(b []byte, left uint32, p *Packet) flow.DropReason {
	if len(b) < 8 || b[0]&0x0c != 0x0c {
		return flow.DropNone
	}
	next := b[3]
	return w.enter(flow.EncapVXLAN, be24(b[4:]), p, func(p *Packet) flow.DropReason {
		switch next {
		case 1, 2:
			return w.ipAny(b[8:], after(left, 8), p)
		case 3:
			return w.ethernet(b[8:], after(left, 8), p)
		}
		return flow.DropNotIP
	})
}

// gtpu opens a G-PDU of 3GPP TS 29.281 §5.1, with its optional fields and
// extension headers.
func (w *Walker) gtpu(b []byte, left uint32, p *Packet) flow.DropReason {
	if len(b) < 8 || b[0]>>4 != 0x3 || b[1] != 0xff { // version 1, GTP not GTP'; message type G-PDU
		return flow.DropNone
	}
	off := 8
	if b[0]&0x07 != 0 { // any of E, S, PN: four more octets
		if len(b) < 12 {
			return flow.DropNone
		}
		off = 12
		for next := b[11]; b[0]&0x04 != 0 && next != 0; {
			if len(b) <= off || b[off] == 0 || len(b) < off+4*int(b[off]) {
				return flow.DropNone
			}
			off += 4 * int(b[off])
			next = b[off-1]
		}
	}
	return w.enter(flow.EncapGTPU, binary.BigEndian.Uint32(b[4:]), p, func(p *Packet) flow.DropReason {
		return w.ipAny(b[off:], after(left, uint32(off)), p)
	})
}

// teredo opens RFC 4380 §5.1: optional authentication and origin indications,
// then IPv6.
func (w *Walker) teredo(b []byte, left uint32, p *Packet) flow.DropReason {
	off := 0
	if len(b) >= 4 && b[0] == 0 && b[1] == 1 {
		off = 13 + int(b[2]) + int(b[3])
	}
	if len(b) >= off+8 && b[off] == 0 && b[off+1] == 0 {
		off += 8
	}
	if len(b) < off+40 || b[off]>>4 != 6 {
		return flow.DropNone
	}
	return w.enter(flow.EncapTeredo, 0, p, func(p *Packet) flow.DropReason {
		return w.ipv6(b[off:], after(left, uint32(off)), p)
	})
}

// otherTransport reads the protocols that are neither TCP nor UDP.
func (w *Walker) otherTransport(proto uint8, b []byte, left uint32, p *Packet) flow.DropReason {
	p.Payload = b
	p.digest(words(b))
	switch proto {
	case flow.ICMP, flow.ICMPv6:
		if len(b) < 2 {
			return flow.DropTruncated
		}
		p.DstPort = uint16(b[0])<<8 | uint16(b[1])
		p.Payload = b[min(8, len(b)):]
	case flow.SCTP:
		if why := p.ports(b); why != flow.DropNone {
			return why
		}
		p.Payload = b[min(12, len(b)):]
	case 33, 136: // DCCP, UDP-Lite
		return p.ports(b)
	case 4, 41: // RFC 2003, RFC 4213 §3.5
		return w.enter(flow.EncapIPIP, 0, p, func(p *Packet) flow.DropReason { return w.ipAny(b, left, p) })
	case flow.GRE:
		return w.gre(b, left, p)
	case 51: // authentication header: what follows is in the clear
		return w.extensions(51, b, left, p)
	case 97: // EtherIP, RFC 3378 §3
		if len(b) >= 2 && b[0]>>4 == 3 {
			return w.enter(flow.EncapGRE, 0, p, func(p *Packet) flow.DropReason { return w.ethernet(b[2:], after(left, 2), p) })
		}
	case 137: // MPLS in IP, RFC 4023
		return w.enter(flow.EncapMPLS, 0, p, func(p *Packet) flow.DropReason { return w.mpls(b, left, p) })
	}
	return flow.DropNone
}

func be24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

func at(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

// Quoted reads the packet that an ICMP error p quotes (RFC 792; RFC 4443 §3) into
// q, and reports whether it holds at least addresses and, where there are any,
// ports.
func (w *Walker) Quoted(p, q *Packet) bool {
	*q = Packet{Time: p.Time}
	w.depth = 0
	return w.ipAny(p.Payload, uint32(len(p.Payload)), q) == flow.DropNone
}
