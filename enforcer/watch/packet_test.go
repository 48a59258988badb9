package watch

import (
	"net/netip"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
)

// ipv6 builds an IPv6 header with next header and payload.
func ipv6(next byte, payload ...byte) []byte {
	p := make([]byte, 40)
	p[0], p[6] = 0x60, next
	p[23], p[39] = 1, 2 // ::1 → ::2
	return append(p, payload...)
}

func ipv4(proto byte, fragment byte, payload ...byte) []byte {
	p := []byte{0x45, 0, 0, 40, 0, 0, 0, fragment, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	return append(p, payload...)
}

func TestParsePacket(t *testing.T) {
	a4, b4 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	a6, b6 := netip.MustParseAddr("::1"), netip.MustParseAddr("::2")
	for name, tc := range map[string]struct {
		packet []byte
		want   flow.Key
		ok     bool
	}{
		"tcp":            {ipv4(6, 0, 0x9c, 0x40, 1, 0xbb), flow.Key{Client: a4, Server: b4, ClientPort: 40000, ServerPort: 443, Proto: 6}, true},
		"icmp echo":      {ipv4(1, 0, 8, 0, 0, 0), flow.Key{Client: a4, Server: b4, ServerPort: 0x800, Proto: 1}, true},
		"later fragment": {ipv4(17, 5, 1, 2, 3, 4), flow.Key{Client: a4, Server: b4, Proto: 17}, true},
		"options": {append([]byte{0x46}, append(ipv4(17, 0)[1:], 1, 1, 1, 1, 0, 53, 0, 54)...),
			flow.Key{Client: a4, Server: b4, ClientPort: 53, ServerPort: 54, Proto: 17}, true},
		"v6 after hop-by-hop": {ipv6(0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2), flow.Key{Client: a6, Server: b6, ClientPort: 1, ServerPort: 2, Proto: 17}, true},
		"v6 later fragment":   {ipv6(44, 6, 0, 0, 8, 0, 0, 0, 0, 0, 1, 0, 2), flow.Key{Client: a6, Server: b6, Proto: 6}, true},
		"cut ports":           {ipv4(6, 0, 1, 2), flow.Key{Client: a4, Server: b4, Proto: 6}, true},
		"cut header":          {ipv4(6, 0)[:19], flow.Key{}, false},
		"bad header length":   {append([]byte{0x44}, ipv4(6, 0)[1:]...), flow.Key{}, false},
		"no IP":               {[]byte{0x10, 2, 3}, flow.Key{}, false},
		"nothing":             {nil, flow.Key{}, false},
	} {
		got, ok := ParsePacket(tc.packet)
		if got != tc.want || ok != tc.ok {
			t.Errorf("%s: %+v %v, want %+v %v", name, got, ok, tc.want, tc.ok)
		}
	}
}

func FuzzParsePacket(f *testing.F) {
	f.Add(ipv4(6, 0, 1, 2, 3, 4))
	f.Add(ipv6(0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2))
	f.Add(ipv6(44, 6, 0, 0, 8, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, p []byte) {
		k, ok := ParsePacket(p)
		if ok != k.Client.IsValid() {
			t.Errorf("ok %v with client %v", ok, k.Client)
		}
	})
}

func TestParsePacketDoesNotAllocate(t *testing.T) {
	p := ipv4(6, 0, 1, 2, 3, 4)
	if n := testing.AllocsPerRun(100, func() { ParsePacket(p) }); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
