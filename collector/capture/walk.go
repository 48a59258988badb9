package capture

import (
	"encoding/binary"
	"math/bits"

	"github.com/bulkhead/bulkhead/flow"
)

// maxDepth bounds how many encapsulations are opened in one frame; what lies
// deeper is counted by its outermost unopened header.
const maxDepth = 8

// EtherTypes (IEEE registration authority).
const (
	etherIPv4     = 0x0800
	etherTEB      = 0x6558 // transparent Ethernet bridging, RFC 7637
	etherVLAN     = 0x8100
	etherIPv6     = 0x86dd
	etherPPP      = 0x880b
	etherMPLS     = 0x8847
	etherMPLSm    = 0x8848
	etherPPPoE    = 0x8864
	etherQinQ     = 0x88a8
	etherERSPAN   = 0x88be // types I and II
	etherPBB      = 0x88e7 // IEEE 802.1ah
	etherVNTag    = 0x8926 // IEEE 802.1BR draft
	etherQinQOld1 = 0x9100
	etherQinQOld2 = 0x9200
	etherERSPAN3  = 0x22eb
)

// Walker walks frames. It is not safe for concurrent use.
type Walker struct {
	// TruncatedPayload counts packets whose payload the capture cut off; they are
	// counted in full from their headers.
	TruncatedPayload uint64
	depth            int
	outer            Packet // the outermost packet that carried a tunnel in the last frame
}

// Outer returns the outermost packet that carried the tunnel which the last Packet
// was found in: the two ends of the tunnel talk to each other, too. It returns nil
// when there was none, and for ERSPAN, which only carries a copy of the traffic.
func (w *Walker) Outer(p *Packet) *Packet {
	if p.OuterSrc == (Addr{}) || w.outer.Encap == flow.EncapERSPAN {
		return nil
	}
	w.outer.digest(p.Digest, w.outer.Digest) // tunnels' own headers are all alike
	return &w.outer
}

// Walk fills p from f. A reason other than DropNone says that f holds no IP
// packet that could be read, and p is then meaningless. p.Payload points into f.
func (w *Walker) Walk(f *Frame, p *Packet) flow.DropReason {
	*p = Packet{Time: f.Time, Interface: f.Interface, VLAN: f.VLAN}
	w.depth = 0
	if f.Link == LinkEthernet {
		p.Broadcast = len(f.Data) >= 6 && f.Data[0]&f.Data[1]&f.Data[5] == 0xff
		return w.ethernet(f.Data, f.Length, p)
	}
	return w.link(f, p)
}

// ethernet walks b, which starts with a destination address; length is b's
// length on the wire.
func (w *Walker) ethernet(b []byte, length uint32, p *Packet) flow.DropReason {
	if len(b) < 14 {
		return flow.DropTruncated
	}
	return w.etherType(binary.BigEndian.Uint16(b[12:]), b[14:], after(length, 14), p)
}

func (w *Walker) etherType(kind uint16, b []byte, length uint32, p *Packet) flow.DropReason {
	for {
		switch kind {
		case etherIPv4:
			return w.ipv4(b, length, p)
		case etherIPv6:
			return w.ipv6(b, length, p)
		case etherVLAN, etherQinQ, etherQinQOld1, etherQinQOld2:
			if len(b) < 4 {
				return flow.DropTruncated
			}
			p.tag(binary.BigEndian.Uint16(b) & 0x0fff)
			kind = binary.BigEndian.Uint16(b[2:])
			b, length = b[4:], after(length, 4)
		default:
			return w.otherEtherType(kind, b, length, p)
		}
		if w.depth++; w.depth > maxDepth {
			return flow.DropDepth
		}
	}
}

// tag keeps the outermost VLAN and the one inside it.
func (p *Packet) tag(id uint16) {
	switch {
	case p.Encap == flow.EncapNone && p.VLAN == 0:
		p.VLAN = id
	case p.InnerVLAN == 0:
		p.InnerVLAN = id
	}
}

// ipv4 walks an IPv4 header (RFC 791 §3.1). length is what was on the wire.
func (w *Walker) ipv4(b []byte, length uint32, p *Packet) flow.DropReason {
	if len(b) < 20 {
		return flow.DropTruncated
	}
	if b[0]>>4 != 4 {
		return flow.DropMalformed
	}
	header := int(b[0]&0xf) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = int(length) // segmentation offload leaves it to the card
	}
	if header < 20 || total < header {
		return flow.DropMalformed
	}
	if len(b) < header {
		return flow.DropTruncated
	}
	p.Src, p.Dst = addr4(b[12:]), addr4(b[16:])
	p.Bytes = uint32(total)
	p.Fragment = Whole
	p.FragID = uint32(binary.BigEndian.Uint16(b[4:]))
	if frag := binary.BigEndian.Uint16(b[6:]); frag&0x3fff != 0 {
		p.Fragment = FirstFragment
		if frag&0x1fff != 0 {
			p.Fragment = LaterFragment
			p.Bytes = uint32(total - header)
			p.digest(uint64(frag), 0)
		}
	}
	if total < len(b) {
		b = b[:total] // the rest is Ethernet padding
	} else if total > len(b) {
		w.TruncatedPayload++
	}
	return w.transport(b[9], b[header:], uint32(total-header), p)
}

// ipv6 walks an IPv6 header and its extension headers (RFC 8200 §3, §4).
func (w *Walker) ipv6(b []byte, length uint32, p *Packet) flow.DropReason {
	if len(b) < 40 {
		return flow.DropTruncated
	}
	if b[0]>>4 != 6 {
		return flow.DropMalformed
	}
	total := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if total == 40 && length > 40 {
		total = int(length) // a jumbogram (RFC 2675), or offload
	}
	p.Src, p.Dst = addr6(b[8:]), addr6(b[24:])
	p.Bytes = uint32(total)
	p.Fragment, p.FragID = Whole, 0
	if total < len(b) {
		b = b[:total]
	} else if total > len(b) {
		w.TruncatedPayload++
	}
	next := b[6]
	if next == flow.TCP || next == flow.UDP {
		return w.transport(next, b[40:], uint32(total-40), p)
	}
	return w.extensions(next, b[40:], uint32(total-40), p)
}

// extensions skips IPv6 extension headers. An IPv6 packet whose chain was cut off
// or makes no sense still counts, by the last header that could be read.
func (w *Walker) extensions(next uint8, b []byte, left uint32, p *Packet) flow.DropReason {
	offset := uint16(0)
	for range 16 {
		size := 0
		switch next {
		case 0, 43, 60, 135, 139, 140: // hop-by-hop, routing, destination, mobility, HIP, Shim6
			if len(b) >= 2 {
				size = 8 + 8*int(b[1])
			}
		case 44: // fragment, RFC 8200 §4.5
			size = 8
		case 51: // authentication header, RFC 4302 §2: in 4-octet units, less 2
			if len(b) >= 2 {
				size = 8 + 4*int(b[1])
			}
		default:
			return w.transport(next, b, left, p)
		}
		if size == 0 || len(b) < size {
			p.Proto, p.Payload = next, b
			return flow.DropNone
		}
		if next == 44 {
			p.FragID = binary.BigEndian.Uint32(b[4:])
			switch offset = binary.BigEndian.Uint16(b[2:]); {
			case offset&0xfff8 != 0:
				p.Fragment = LaterFragment
			case offset&1 != 0:
				p.Fragment = FirstFragment
				p.Bytes -= 8 // the packet as it was sent had no such header
			}
		}
		next, b, left = b[0], b[size:], after(left, uint32(size))
		if p.Fragment == LaterFragment {
			p.Bytes = left
			p.digest(uint64(offset), 0)
			p.Proto, p.Payload = next, nil
			return flow.DropNone
		}
	}
	return flow.DropDepth
}

// transport reads ports and flags, or opens a tunnel. left is what IP says
// follows its headers.
func (w *Walker) transport(proto uint8, b []byte, left uint32, p *Packet) flow.DropReason {
	p.Proto = proto
	p.SrcPort, p.DstPort, p.Flags = 0, 0, 0
	if p.Fragment == LaterFragment {
		p.Payload = nil
		return flow.DropNone
	}
	switch proto {
	case flow.TCP:
		return p.tcp(b)
	case flow.UDP:
		if len(b) < 8 {
			return p.ports(b)
		}
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		p.Payload = b[8:]
		if len(b) >= 24 {
			p.digest(binary.BigEndian.Uint64(b)^bits.RotateLeft64(binary.BigEndian.Uint64(b[16:]), 21), binary.BigEndian.Uint64(b[8:]))
		} else {
			p.digest(words(b))
		}
		if tunnelPort(p.SrcPort, p.DstPort) {
			return w.udpTunnel(after(left, 8), p)
		}
		if len(b) >= 48 && b[8]>>4 == 6 && bareTeredo(b[8:]) {
			return w.teredo(b[8:], after(left, 8), p)
		}
		return flow.DropNone
	}
	return w.otherTransport(proto, b, left, p)
}

// tcp reads RFC 9293 §3.1. A header that was cut off counts by its ports.
func (p *Packet) tcp(b []byte) flow.DropReason {
	if len(b) < 20 {
		if len(b) >= 14 {
			p.Flags = b[13]
		}
		return p.ports(b)
	}
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.Seq = binary.BigEndian.Uint32(b[4:])
	p.Flags = b[13]
	p.Payload = nil
	if header := int(b[12]>>4) * 4; header >= 20 && header < len(b) {
		p.Payload = b[header:]
	}
	// Sequence numbers; flags, window and checksum; and usually the timestamps.
	a, options := binary.BigEndian.Uint64(b[4:]), uint64(0)
	if len(b) >= 32 {
		options = binary.BigEndian.Uint64(b[24:])
	}
	p.digest(a^bits.RotateLeft64(options, 21), binary.BigEndian.Uint64(b[12:]))
	return flow.DropNone
}

// words are the first 16 octets of b, or what there is of them.
func words(b []byte) (uint64, uint64) {
	if len(b) >= 16 {
		return binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	}
	var w [16]byte
	copy(w[:], b)
	return binary.BigEndian.Uint64(w[:]), binary.BigEndian.Uint64(w[8:])
}

// ports reads the two port numbers that TCP, UDP, SCTP, DCCP and UDP-Lite all
// start with.
func (p *Packet) ports(b []byte) flow.DropReason {
	p.Payload = nil
	if len(b) < 4 {
		return flow.DropTruncated
	}
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	return flow.DropNone
}

func after(length, n uint32) uint32 {
	if length < n {
		return 0
	}
	return length - n
}
