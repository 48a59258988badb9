package watch

import (
	"encoding/binary"
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// ParsePacket reads the addresses, protocol and ports of an IP packet; the
// sender is taken for the client. ok is false when it is no IP packet or too
// short. Later fragments have no ports: both stay 0.
func ParsePacket(p []byte) (k flow.Key, ok bool) {
	if len(p) == 0 {
		return k, false
	}
	switch p[0] >> 4 {
	case 4:
		return parseIPv4(p)
	case 6:
		return parseIPv6(p)
	}
	return k, false
}

// parseIPv4 follows RFC 791 §3.1.
func parseIPv4(p []byte) (k flow.Key, ok bool) {
	if len(p) < 20 {
		return k, false
	}
	header := int(p[0]&0xf) * 4
	if header < 20 || len(p) < header {
		return k, false
	}
	k.Client, k.Server = netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
	k.Proto = p[9]
	if binary.BigEndian.Uint16(p[6:])&0x1fff != 0 { // fragment offset
		return k, true
	}
	parseTransport(&k, p[header:])
	return k, true
}

// maxExtensions bounds the walk over IPv6 extension headers.
const maxExtensions = 8

// parseIPv6 follows RFC 8200 §3 and §4.
func parseIPv6(p []byte) (k flow.Key, ok bool) {
	if len(p) < 40 {
		return k, false
	}
	k.Client, k.Server = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
	next, rest := p[6], p[40:]
	for range maxExtensions {
		switch next {
		case 0, 43, 60: // hop-by-hop, routing, destination options
			if len(rest) < 8 || len(rest) < 8+int(rest[1])*8 {
				k.Proto = next
				return k, true
			}
			next, rest = rest[0], rest[8+int(rest[1])*8:]
		case 44: // fragment
			if len(rest) < 8 {
				k.Proto = next
				return k, true
			}
			first := binary.BigEndian.Uint16(rest[2:])&0xfff8 == 0
			next, rest = rest[0], rest[8:]
			if !first {
				k.Proto = next
				return k, true
			}
		default:
			k.Proto = next
			parseTransport(&k, rest)
			return k, true
		}
	}
	k.Proto = next
	return k, true
}

func parseTransport(k *flow.Key, p []byte) {
	switch {
	case len(p) < 4:
	case flow.HasPorts(k.Proto):
		k.ClientPort, k.ServerPort = binary.BigEndian.Uint16(p), binary.BigEndian.Uint16(p[2:])
	case k.Proto == flow.ICMP || k.Proto == flow.ICMPv6:
		k.ServerPort = binary.BigEndian.Uint16(p) // type<<8|code
	}
}
