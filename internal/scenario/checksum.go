package scenario

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/flow"
)

// checksums fills in the Internet checksums (RFC 1071) of a finished frame whose
// network and transport headers begin at the given offsets.
func (f *frame) checksums(network, transport int, proto uint8) {
	ip, segment := f.buf[network:transport], f.buf[transport:]
	v4 := ip[0]>>4 == 4
	if v4 {
		binary.BigEndian.PutUint16(ip[10:], ^fold(sum(ip)))
	}
	pseudo := uint64(proto) + uint64(len(segment))
	if v4 {
		pseudo += sum(ip[12:20])
	} else {
		pseudo += sum(ip[8:40])
	}
	switch proto {
	case flow.TCP:
		binary.BigEndian.PutUint16(segment[16:], ^fold(pseudo+sum(segment)))
	case flow.UDP:
		c := ^fold(pseudo + sum(segment))
		if c == 0 {
			c = 0xffff // RFC 768: zero would mean "none"
		}
		binary.BigEndian.PutUint16(segment[6:], c)
	case flow.ICMP:
		binary.BigEndian.PutUint16(segment[2:], ^fold(sum(segment)))
	}
}

// sum adds up 16-bit words; an odd last byte counts as the high half of one.
func sum(b []byte) (n uint64) {
	for ; len(b) >= 4; b = b[4:] {
		n += uint64(binary.BigEndian.Uint32(b))
	}
	if len(b) >= 2 {
		n += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		n += uint64(b[0]) << 8
	}
	return n
}

func fold(n uint64) uint16 {
	for n > 0xffff {
		n = n>>16 + n&0xffff
	}
	return uint16(n)
}
