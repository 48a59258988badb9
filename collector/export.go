package collector

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/collector/capture"
)

// portSet is a bit for each port: 8 KiB, of which one line is touched per packet.
type portSet [1 << 10]uint64

func (s *portSet) add(port uint16)      { s[port>>6] |= 1 << (port & 63) }
func (s *portSet) has(port uint16) bool { return s[port>>6]&(1<<(port&63)) != 0 }

// isExport reports whether p carries a whole datagram that starts as NetFlow v5
// or v9 (RFC 3954 §5.1), IPFIX (RFC 7011 §3.1) or sFlow v5 does.
func isExport(p *capture.Packet) bool {
	b := p.Payload
	if p.Fragment != capture.Whole || len(b) < 16 {
		return false
	}
	switch binary.BigEndian.Uint16(b) {
	case 5:
		n := int(binary.BigEndian.Uint16(b[2:]))
		return n >= 1 && n <= 30 && len(b) >= 24+48*n
	case 9:
		return len(b) >= 20
	case 10:
		n := int(binary.BigEndian.Uint16(b[2:]))
		return n >= 16 && n <= len(b)
	case 0: // sFlow: version 5, address type 1 or 2
		kind := binary.BigEndian.Uint32(b[4:])
		return binary.BigEndian.Uint32(b) == 5 && (kind == 1 || kind == 2)
	}
	return false
}
