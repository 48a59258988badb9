package capture

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/flow"
)

// gre opens RFC 2784 with the key and sequence of RFC 2890, the routing field of
// RFC 1701, and version 1 (RFC 2637, PPTP). ERSPAN rides on it.
func (w *Walker) gre(b []byte, left uint32, p *Packet) flow.DropReason {
	if len(b) < 4 {
		return flow.DropNone
	}
	flags, kind := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	off, key, ok := greHeader(b, flags)
	if !ok {
		return flow.DropNone
	}
	in, left := b[off:], after(left, uint32(off))
	switch {
	case kind == etherERSPAN || kind == etherERSPAN3:
		return w.erspan(kind, flags&0x1000 != 0, in, left, p)
	case flags&7 == 1 || kind == etherPPP:
		return w.enter(flow.EncapGRE, key, p, func(p *Packet) flow.DropReason { return w.pppFrame(in, left, p) })
	}
	return w.enter(flow.EncapGRE, key, p, func(p *Packet) flow.DropReason { return w.etherType(kind, in, left, p) })
}

// greHeader measures the header and reads the key, if there is one.
func greHeader(b []byte, flags uint16) (off int, key uint32, ok bool) {
	off = 4
	if flags&0xc000 != 0 { // checksum or routing: checksum and offset are there
		off += 4
	}
	if flags&0x2000 != 0 {
		if len(b) < off+4 {
			return 0, 0, false
		}
		key = binary.BigEndian.Uint32(b[off:])
		if flags&7 == 1 {
			key &= 0xffff // payload length, call id
		}
		off += 4
	}
	if flags&0x1000 != 0 {
		off += 4
	}
	if flags&7 == 1 && flags&0x0080 != 0 {
		off += 4 // acknowledgement number
	}
	if flags&0x4000 != 0 {
		for { // RFC 1701: source route entries, ended by an empty one
			if len(b) < off+4 {
				return 0, 0, false
			}
			size := int(b[off+3])
			off += 4 + size
			if size == 0 {
				break
			}
		}
	}
	return off, key, len(b) >= off
}

// erspan opens ERSPAN (draft-foschiano-erspan-03): type I has no header of its
// own (and no GRE sequence number), type II 8 octets, type III 12 and an optional
// platform sub-header of 8.
func (w *Walker) erspan(kind uint16, sequenced bool, b []byte, left uint32, p *Packet) flow.DropReason {
	off, session := 0, uint32(0)
	if sequenced || kind == etherERSPAN3 {
		off = 8
		if kind == etherERSPAN3 {
			off = 12
		}
		if len(b) < off {
			return flow.DropNone
		}
		session = uint32(binary.BigEndian.Uint16(b[2:]) & 0x3ff)
		if kind == etherERSPAN3 && b[11]&1 != 0 {
			off += 8
		}
	}
	if len(b) < off {
		return flow.DropNone
	}
	return w.enter(flow.EncapERSPAN, session, p, func(p *Packet) flow.DropReason {
		return w.ethernet(b[off:], after(left, uint32(off)), p)
	})
}

// otherEtherType opens what is neither IP nor a VLAN tag.
func (w *Walker) otherEtherType(kind uint16, b []byte, left uint32, p *Packet) flow.DropReason {
	if w.depth++; w.depth > maxDepth {
		return flow.DropDepth
	}
	switch {
	case kind == etherMPLS || kind == etherMPLSm:
		return w.mpls(b, left, p)
	case kind == etherPPPoE:
		return w.pppoe(b, left, p)
	case kind == etherTEB:
		return w.ethernet(b, left, p)
	case kind == etherPBB && len(b) >= 4: // I-TAG, then a whole frame
		return w.ethernet(b[4:], after(left, 4), p)
	case kind == etherVNTag && len(b) >= 6:
		return w.etherType(binary.BigEndian.Uint16(b[4:]), b[6:], after(left, 6), p)
	case kind <= 1500:
		return w.llc(b, left, p)
	}
	return flow.DropNotIP
}

// llc opens 802.2 with SNAP (RFC 1042), and IP directly on LLC.
func (w *Walker) llc(b []byte, left uint32, p *Packet) flow.DropReason {
	switch {
	case len(b) >= 8 && b[0] == 0xaa && b[1] == 0xaa && b[2] == 3 && b[3]|b[4]|b[5] == 0:
		if kind := binary.BigEndian.Uint16(b[6:]); kind > 1500 {
			return w.etherType(kind, b[8:], after(left, 8), p)
		}
	case len(b) >= 3 && b[0] == 0x06 && b[1] == 0x06:
		return w.ipAny(b[3:], after(left, 3), p)
	}
	return flow.DropNotIP
}

// mpls pops labels (RFC 3032 §2.1) to the bottom of the stack, where the first
// nibble says what follows: 4 and 6 are IP, 0 a pseudowire control word with
// Ethernet after it (RFC 4385 §3).
func (w *Walker) mpls(b []byte, left uint32, p *Packet) flow.DropReason {
	if p.Encap == flow.EncapNone {
		p.Encap = flow.EncapMPLS
	}
	for range 16 {
		if len(b) < 5 {
			return flow.DropTruncated
		}
		bottom := b[2]&1 != 0
		b, left = b[4:], after(left, 4)
		if !bottom {
			continue
		}
		switch b[0] >> 4 {
		case 4, 6:
			if why := w.ipAny(b, left, p); why != flow.DropMalformed {
				return why
			}
		case 0:
			if len(b) >= 18 {
				return w.ethernet(b[4:], after(left, 4), p)
			}
		}
		return w.ethernet(b, left, p) // a pseudowire without control word
	}
	return flow.DropDepth
}

// pppoe opens a session frame of RFC 2516 §4.
func (w *Walker) pppoe(b []byte, left uint32, p *Packet) flow.DropReason {
	if len(b) < 8 {
		return flow.DropTruncated
	}
	if b[0] != 0x11 || b[1] != 0 {
		return flow.DropNotIP
	}
	if p.Encap == flow.EncapNone {
		p.Encap = flow.EncapPPPoE
	}
	return w.ppp(b[6:], after(left, 6), p)
}

// pppFrame skips the address and control octets of RFC 1662 §3.1 if they are
// there, and the direction octet that some captures put before.
func (w *Walker) pppFrame(b []byte, left uint32, p *Packet) flow.DropReason {
	if len(b) >= 3 && b[0] <= 1 && b[1] == 0xff && b[2] == 3 {
		b, left = b[1:], after(left, 1)
	}
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b, left = b[2:], after(left, 2)
	}
	return w.ppp(b, left, p)
}

// ppp reads the protocol field (RFC 1661 §2), which may be compressed to one
// octet, and the protocols that carry IP uncompressed.
func (w *Walker) ppp(b []byte, left uint32, p *Packet) flow.DropReason {
	if len(b) < 2 {
		return flow.DropTruncated
	}
	kind, off := binary.BigEndian.Uint16(b), 2
	if b[0]&1 != 0 {
		kind, off = uint16(b[0]), 1
	}
	b, left = b[off:], after(left, uint32(off))
	switch kind {
	case 0x0021:
		return w.ipv4(b, left, p)
	case 0x0057:
		return w.ipv6(b, left, p)
	case 0x0281, 0x0283:
		return w.mpls(b, left, p)
	}
	return flow.DropNotIP
}
