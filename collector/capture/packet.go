package capture

import (
	"math/bits"

	"github.com/bulkhead/bulkhead/flow"
)

// LinkType is a link-layer header type as the tcpdump group numbers them.
type LinkType uint32

// Frame is one captured frame. Data is valid until the next one is read.
type Frame struct {
	Time      flow.Time
	Data      []byte
	Length    uint32 // on the wire; len(Data) may be less
	Link      LinkType
	Interface uint32 // number within the capture, 0 for the first or only one
	// VLAN is the tag the kernel took off the frame before the capture saw it;
	// 0 when there was none or it is still in Data.
	VLAN uint16
}

// Fragment says which part of a fragmented packet this is.
type Fragment uint8

const (
	Whole Fragment = iota
	FirstFragment
	LaterFragment // ports are unknown: 0
)

// Packet is what the headers of a frame say about its innermost IP packet.
type Packet struct {
	Time             flow.Time
	Src, Dst         Addr
	SrcPort, DstPort uint16 // ICMP: 0 and type<<8|code
	Proto            uint8
	Flags            uint8 // TCP control bits
	Fragment         Fragment
	Encap            flow.Encap
	// Bytes is the length in layer 3: IPv4 total length, IPv6 payload length + 40. A
	// later fragment has the length of what it adds to its packet, without headers,
	// so that the fragments of a packet have its length before it was cut.
	Bytes     uint32
	FragID    uint32 // IPv4 identification, IPv6 fragment identification
	VNI       uint32
	Interface uint32
	VLAN      uint16 // outermost
	InnerVLAN uint16 // second tag (QinQ), 0 when there is none
	// Outer are the endpoints of the outermost tunnel; zero without one. A tunnel in
	// mirrored traffic (ERSPAN) goes before the mirror's own.
	OuterSrc, OuterDst Addr
	// Payload is what follows the transport header, as far as it was captured;
	// for ICMP errors the quoted packet, for other protocols what follows IP.
	// It is valid as long as the frame is.
	Payload []byte
	// Broadcast is set when the frame went to the Ethernet broadcast address, which
	// is how directed broadcast (RFC 919) is known for what it is.
	Broadcast bool
	// Seq is the TCP sequence number.
	Seq uint32
	// Digest tells packets of one flow apart by what routers leave as it is:
	// identification and the transport header with its checksum, not lifetime, class
	// or link layer. Two sights of one packet have the same. See Numbered.
	Digest uint64
}

// Scope is the address space of the packet where each VLAN (both tags) or virtual
// network has its own; 0 is the common one.
func (p *Packet) Scope(byVLAN, byVNI bool) flow.Scope {
	switch {
	case byVNI && p.VNI != 0:
		return flow.VNIScope(p.VNI)
	case byVLAN:
		return flow.VLANScope(p.VLAN, p.InnerVLAN)
	}
	return 0
}

// Numbered reports whether the sender gave the packet a number (RFC 6864): then no
// other packet of its time has the same digest. Without one, equal packets sent
// twice look like one seen twice.
func (p *Packet) Numbered() bool { return p.Digest&1 != 0 }

// digest condenses two words of the transport header, and the identification.
func (p *Packet) digest(a, b uint64) {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15^uint64(p.FragID)<<32, b^0xe7037ed1a0b428db^uint64(p.Bytes))
	p.Digest = (hi ^ lo) | 3
	if p.FragID <= 1 { // 1 is what packet generators write into every packet
		p.Digest--
	}
}

// Via condenses where the packet was seen: interface, VLANs and virtual network.
// The same packet seen twice on its way differs in it.
func (p *Packet) Via() uint16 {
	x := uint64(p.Interface)<<44 ^ uint64(p.VLAN)<<32 ^ uint64(p.InnerVLAN)<<20 ^ uint64(p.VNI)
	return uint16(x * 0x9e3779b97f4a7c15 >> 48)
}
