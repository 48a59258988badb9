package netlab

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// Frame returns a wire that addresses its frames to a hardware address; frames of
// NewWire are for the other end alone.
func (w *Wire) Frame(to net.HardwareAddr) *Wire {
	other := *w
	for i := range other.to {
		copy(other.to[i].Addr[:], to)
	}
	return &other
}

// GroupFrame is the hardware address frames to an IP address have that is many
// hosts': RFC 1112 §6.4, RFC 2464 §7, or everybody's.
func GroupFrame(a netip.Addr) net.HardwareAddr {
	b := a.AsSlice()
	switch {
	case a.Is4() && a.IsMulticast():
		return net.HardwareAddr{0x01, 0x00, 0x5e, b[1] & 0x7f, b[2], b[3]}
	case a.IsMulticast():
		return net.HardwareAddr{0x33, 0x33, b[12], b[13], b[14], b[15]}
	}
	return net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
}

// Fragments cuts an IP packet without extension headers into two fragments, of
// which the first carries that many bytes of the payload, a multiple of 8.
func Fragments(p []byte, first int, id uint16) [2][]byte {
	if p[0]>>4 == 6 {
		return [2][]byte{fragment6(p, p[40:40+first], 0, true, id), fragment6(p, p[40+first:], first, false, id)}
	}
	return [2][]byte{fragment4(p, p[20:20+first], 0, true, id), fragment4(p, p[20+first:], first, false, id)}
}

// fragment4 is RFC 791 §3.1: the offset counts 8 bytes.
func fragment4(p, body []byte, offset int, more bool, id uint16) []byte {
	f := append(append([]byte{}, p[:20]...), body...)
	binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
	binary.BigEndian.PutUint16(f[4:], id)
	at := uint16(offset / 8)
	if more {
		at |= 1 << 13
	}
	binary.BigEndian.PutUint16(f[6:], at)
	f[10], f[11] = 0, 0
	binary.BigEndian.PutUint16(f[10:], checksum(0, f[:20]))
	return f
}

// fragment6 is RFC 8200 §4.5.
func fragment6(p, body []byte, offset int, more bool, id uint16) []byte {
	const fragmentHeader = 44
	f := append([]byte{}, p[:40]...)
	f = append(f, p[6], 0)
	at := uint16(offset)
	if more {
		at |= 1
	}
	f = binary.BigEndian.AppendUint16(f, at)
	f = binary.BigEndian.AppendUint32(f, uint32(id))
	f = append(f, body...)
	f[6] = fragmentHeader
	binary.BigEndian.PutUint16(f[4:], uint16(len(f)-40))
	return f
}
