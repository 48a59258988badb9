package capture

import (
	"encoding/binary"
	"net/netip"
)

// Addr is an IPv4 or IPv6 address in two big-endian words; IPv4 is held as
// IPv4-mapped IPv6 (RFC 4291 §2.5.5.2). Unlike netip.Addr it holds no pointer, so
// that tables of them cost the garbage collector nothing.
type Addr struct{ Hi, Lo uint64 }

const mapped = 0xffff << 32

// AddrFrom converts a; the zero netip.Addr gives ::.
func AddrFrom(a netip.Addr) Addr {
	b := a.As16()
	return Addr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func addr4(b []byte) Addr { return Addr{0, mapped | uint64(binary.BigEndian.Uint32(b))} }

func addr6(b []byte) Addr {
	return Addr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:16])}
}

// Is4 reports whether a is an IPv4 address.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo>>32 == 0xffff }

// Netip converts a; IPv4 comes out unmapped.
func (a Addr) Netip() netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte{byte(a.Lo >> 24), byte(a.Lo >> 16), byte(a.Lo >> 8), byte(a.Lo)})
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	return netip.AddrFrom16(b)
}

// IsGroup reports whether a stands for many: IPv4 multicast (RFC 1112) and the
// limited broadcast address, IPv6 multicast (RFC 4291 §2.7). Directed broadcast
// needs the netmask and is not recognised.
func (a Addr) IsGroup() bool {
	if a.Is4() {
		return a.Lo>>28&0xf == 0xe || uint32(a.Lo) == 0xffffffff
	}
	return a.Hi>>56 == 0xff
}

// Less orders addresses numerically, IPv4 before most IPv6.
func (a Addr) Less(b Addr) bool { return a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo }
