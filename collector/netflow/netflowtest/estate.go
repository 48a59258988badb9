package netflowtest

import (
	"math/rand/v2"
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// Records makes n plausible biflows between clients and a tenth as many servers,
// one millisecond apart from start, the same for the same seed.
func Records(n int, seed uint64, start flow.Time) []flow.Record {
	rng := rand.New(rand.NewPCG(seed, 0))
	ports := []uint16{443, 80, 5432, 3306, 6379, 53, 389, 445, 8080, 9092}
	out := make([]flow.Record, n)
	for i := range out {
		client, server := rng.Uint32N(20000), rng.Uint32N(2000)
		r := &out[i]
		port := ports[server%uint32(len(ports))]
		proto := flow.TCP
		if port == 53 {
			proto = flow.UDP
		}
		r.Key = flow.Key{
			Client: netip.AddrFrom4([4]byte{10, 1, byte(client >> 8), byte(client)}),
			Server: netip.AddrFrom4([4]byte{10, 2, byte(server >> 8), byte(server)}), ServerPort: port, Proto: proto,
			ClientPort: 32768 + uint16(rng.Uint32N(28000)),
		}
		r.First = start + flow.Time(i)*1e6
		r.Last = r.First + flow.Time(1+rng.Uint32N(5000))*1e6
		r.ClientPackets, r.ServerPackets = 3+uint64(rng.Uint32N(20)), 3+uint64(rng.Uint32N(20))
		r.ClientBytes, r.ServerBytes = r.ClientPackets*80, r.ServerPackets*700
		if proto == flow.TCP {
			r.ClientFlags, r.ServerFlags = flow.SYN|flow.ACK|flow.PSH|flow.FIN, flow.SYN|flow.ACK|flow.PSH|flow.FIN
		}
		r.End, r.Outcome = flow.EndOfFlow, flow.Established
	}
	return out
}
