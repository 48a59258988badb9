package capture

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/flow"
)

// Link-layer header types (https://www.tcpdump.org/linktypes.html).
const (
	LinkNull      LinkType = 0
	LinkEthernet  LinkType = 1
	LinkPPP       LinkType = 9
	LinkFDDI      LinkType = 10
	LinkRawBSD    LinkType = 12
	LinkRawOpen   LinkType = 14
	LinkPPPHDLC   LinkType = 50
	LinkPPPoE     LinkType = 51
	LinkRaw       LinkType = 101
	LinkCHDLC     LinkType = 104
	LinkWLAN      LinkType = 105
	LinkFRelay    LinkType = 107
	LinkLoop      LinkType = 108
	LinkENC       LinkType = 109
	LinkSLL       LinkType = 113
	LinkPFLog     LinkType = 117
	LinkPrism     LinkType = 119
	LinkRadioTap  LinkType = 127
	LinkPPPWithIP LinkType = 166 // PPP_PPPD: direction octet first
	LinkPPI       LinkType = 192
	LinkMPLS      LinkType = 219
	LinkIPNet     LinkType = 226 // Solaris
	LinkIPv4      LinkType = 228
	LinkIPv6      LinkType = 229
	LinkNFLog     LinkType = 239
	LinkIPoIB     LinkType = 242
	LinkSLL2      LinkType = 276
	LinkBrcmTag   LinkType = 281 // switch chips: a tag after the addresses
	LinkBrcmPre   LinkType = 282 // or before them
	LinkDSA       LinkType = 284
	LinkEDSA      LinkType = 285
)

// link walks the headers of the link types other than Ethernet.
func (w *Walker) link(f *Frame, p *Packet) flow.DropReason {
	b, n := f.Data, f.Length
	switch f.Link {
	case LinkRaw, LinkRawBSD, LinkRawOpen, LinkIPv4, LinkIPv6:
		return w.ipAny(b, n, p)
	case LinkNull, LinkLoop:
		return w.skipTo(4, b, n, p, w.ipAny)
	case LinkENC:
		return w.skipTo(12, b, n, p, w.ipAny)
	case LinkSLL:
		return w.sll(b, n, p)
	case LinkSLL2:
		if len(b) < 20 {
			return flow.DropTruncated
		}
		return w.etherType(binary.BigEndian.Uint16(b), b[20:], after(n, 20), p)
	case LinkPPP, LinkPPPHDLC, LinkPPPWithIP:
		return w.pppFrame(b, n, p)
	case LinkPPPoE:
		return w.pppoe(b, n, p)
	case LinkCHDLC: // RFC 1547 §4.3.1: address, control, EtherType
		if len(b) < 4 {
			return flow.DropTruncated
		}
		return w.etherType(binary.BigEndian.Uint16(b[2:]), b[4:], after(n, 4), p)
	case LinkFRelay:
		return w.frameRelay(b, n, p)
	case LinkIPoIB: // EtherType, reserved
		if len(b) < 4 {
			return flow.DropTruncated
		}
		return w.etherType(binary.BigEndian.Uint16(b), b[4:], after(n, 4), p)
	case LinkIPNet:
		return w.skipTo(24, b, n, p, w.ipAny)
	case LinkBrcmTag, LinkDSA:
		return w.switchTag(16, b, n, p)
	case LinkEDSA:
		return w.switchTag(20, b, n, p)
	case LinkBrcmPre:
		return w.skipTo(4, b, n, p, w.ethernet)
	case LinkMPLS:
		return w.mpls(b, n, p)
	case LinkNFLog:
		return w.nflog(b, p)
	}
	return w.oddLink(f, p)
}

// switchTag skips the tag that a switch chip puts after the two addresses of a
// frame; the EtherType is at off.
func (w *Walker) switchTag(off int, b []byte, n uint32, p *Packet) flow.DropReason {
	if len(b) < off+2 {
		return flow.DropTruncated
	}
	return w.etherType(binary.BigEndian.Uint16(b[off:]), b[off+2:], after(n, uint32(off)+2), p)
}

// ipAny tells IPv4 from IPv6 by the version field.
func (w *Walker) ipAny(b []byte, n uint32, p *Packet) flow.DropReason {
	if len(b) == 0 {
		return flow.DropTruncated
	}
	switch b[0] >> 4 {
	case 4:
		return w.ipv4(b, n, p)
	case 6:
		return w.ipv6(b, n, p)
	}
	return flow.DropNotIP
}

func (w *Walker) skipTo(off int, b []byte, n uint32, p *Packet, next func([]byte, uint32, *Packet) flow.DropReason) flow.DropReason {
	if len(b) < off {
		return flow.DropTruncated
	}
	return next(b[off:], after(n, uint32(off)), p)
}

// sll walks a Linux cooked header (LINKTYPE_LINUX_SLL): packet type, ARPHRD,
// address length, address, protocol.
func (w *Walker) sll(b []byte, n uint32, p *Packet) flow.DropReason {
	if len(b) < 16 {
		return flow.DropTruncated
	}
	return w.etherType(binary.BigEndian.Uint16(b[14:]), b[16:], after(n, 16), p)
}

// frameRelay walks RFC 2427: a Q.922 address of 2 to 4 octets, the control octet,
// padding, and a network layer protocol id.
func (w *Walker) frameRelay(b []byte, n uint32, p *Packet) flow.DropReason {
	off := 0
	for off < len(b) && off < 4 && b[off]&1 == 0 {
		off++
	}
	if off++; len(b) < off+2 {
		return flow.DropTruncated
	}
	if b[off] != 3 { // Cisco's own encapsulation: an EtherType
		return w.etherType(binary.BigEndian.Uint16(b[off:]), b[off+2:], after(n, uint32(off)+2), p)
	}
	if off++; b[off] == 0 && len(b) > off+1 {
		off++
	}
	kind := b[off]
	b, n = b[off+1:], after(n, uint32(off)+1)
	switch {
	case kind == 0xcc || kind == 0x8e:
		return w.ipAny(b, n, p)
	case kind == 0x80 && len(b) >= 5: // SNAP
		return w.etherType(binary.BigEndian.Uint16(b[3:]), b[5:], after(n, 5), p)
	}
	return flow.DropNotIP
}

// nflog walks LINKTYPE_NFLOG: family, version, resource id, then attributes of
// which NFULA_PAYLOAD (9) holds the packet.
func (w *Walker) nflog(b []byte, p *Packet) flow.DropReason {
	if len(b) < 4 {
		return flow.DropTruncated
	}
	for b = b[4:]; len(b) >= 4; {
		// Attributes are in the byte order of the capturing host; lengths are
		// small, so the order that gives a sensible one is right.
		size, kind := int(binary.LittleEndian.Uint16(b)), binary.LittleEndian.Uint16(b[2:])
		if size > len(b) || size < 4 {
			size, kind = int(binary.BigEndian.Uint16(b)), binary.BigEndian.Uint16(b[2:])
		}
		if size > len(b) || size < 4 {
			return flow.DropMalformed
		}
		if kind&0x7fff == 9 {
			return w.ipAny(b[4:size], uint32(size-4), p)
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return flow.DropNotIP
}
