package assemble_test

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// flood feeds attempts that nobody answers, made by attack, between the packets
// of real connections, and returns what the table reported.
func flood(t *testing.T, n int, attack func(i int, rng *rand.Rand) capture.Packet) ([]flow.Record, assemble.Stats) {
	t.Helper()
	var s sink
	table := assemble.New(assemble.Options{Capacity: 4096, Seed: 9}, s.take)
	rng := rand.New(rand.NewPCG(1, 2))
	now := start
	for i := range n {
		now = now.Add(20 * time.Microsecond)
		p := attack(i, rng)
		p.Time, p.Proto, p.Flags, p.Bytes = now, flow.TCP, flow.SYN, 40
		table.Packet(&p)
		if i%100 != 0 {
			continue
		}
		// A real connection, handshake and one answer, a little slower each time.
		c := conversation{flow.TCP, 5432, now}
		for _, q := range []*capture.Packet{c.packet(true, flow.SYN), c.packet(false, flow.SYN|flow.ACK), c.packet(true, flow.ACK), c.packet(false, flow.ACK)} {
			if q.SrcPort == 40000 {
				q.SrcPort = uint16(10000 + i/100)
			} else {
				q.DstPort = uint16(10000 + i/100)
			}
			table.Packet(q)
		}
	}
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	return s.records, table.Stats()
}

func TestFloodsStayBoundedAndRealEdgesVisible(t *testing.T) {
	const n = 300_000
	victim := server
	attacks := map[string]func(i int, rng *rand.Rand) capture.Packet{
		"a scan of all hosts and ports by one source": func(i int, rng *rand.Rand) capture.Packet {
			return capture.Packet{Src: capture.Addr{Lo: 0xffff<<32 | 0xc0a80001}, Dst: capture.Addr{Lo: 0xffff<<32 | uint64(rng.Uint32())}, SrcPort: 50000, DstPort: uint16(rng.Uint32())}
		},
		"a SYN flood from spoofed sources at one port": func(i int, rng *rand.Rand) capture.Packet {
			return capture.Packet{Src: capture.Addr{Lo: 0xffff<<32 | uint64(rng.Uint32())}, Dst: victim, SrcPort: uint16(rng.Uint32()), DstPort: 443}
		},
		"spoofed IPv6 sources at all ports of one host": func(i int, rng *rand.Rand) capture.Packet {
			return capture.Packet{Src: capture.Addr{Hi: rng.Uint64(), Lo: rng.Uint64()}, Dst: victim, SrcPort: uint16(rng.Uint32()), DstPort: uint16(rng.Uint32())}
		},
		"everything random": func(i int, rng *rand.Rand) capture.Packet {
			return capture.Packet{Src: capture.Addr{Lo: 0xffff<<32 | uint64(rng.Uint32())}, Dst: capture.Addr{Lo: 0xffff<<32 | uint64(rng.Uint32())}, SrcPort: uint16(rng.Uint32()), DstPort: uint16(rng.Uint32())}
		},
	}
	for name, attack := range attacks {
		records, st := flood(t, n, attack)
		real, probes, folded := map[uint16]bool{}, 0, uint64(0)
		for _, r := range records {
			if r.Outcome == flow.Established && r.Key.ServerPort == 5432 && r.Key.Client == client.Netip() {
				real[r.Key.ClientPort] = true
				continue
			}
			probes++
			folded += uint64(r.Folded)
			if r.Outcome == flow.Established {
				t.Errorf("%s: a probe became established: %+v", name, r)
			}
		}
		if len(real) < n/100*99/100 {
			t.Errorf("%s: %d of %d real connections seen", name, len(real), n/100)
		}
		if st.Folded != folded || probes+int(folded) != int(st.Flows)-len(real) {
			t.Errorf("%s: %d probes + %d folded, %d flows of which %d real", name, probes, folded, st.Flows, len(real))
		}
		t.Logf("%s: %d probe records for %d attempts, %d evicted, dropped %d", name, probes, n, st.Evicted, st.Drops.Total())
		if probes > 9000 { // 128 × 64 and some that a full bucket let go
			t.Errorf("%s: %d records of probes", name, probes)
		}
	}
}

// Nothing is allocated per packet of flows that exist.
func TestPacketDoesNotAllocate(t *testing.T) {
	var s sink
	table := assemble.New(assemble.Options{}, s.take)
	ps := make([]*capture.Packet, 64)
	for i := range ps {
		c := conversation{flow.TCP, 443, start}
		ps[i] = c.packet(true, flow.ACK)
		ps[i].SrcPort = uint16(i)
		table.Packet(ps[i])
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() { table.Packet(ps[i%len(ps)]); i++ }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// benchmarkTable gives packets of n flows in random order.
func benchmarkTable(b *testing.B, n int) {
	var s discard
	table := assemble.New(assemble.Options{Seed: 1}, s.take)
	defer table.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	var ps [assemble.BatchSize]capture.Packet
	var nth [assemble.BatchSize]uint32
	give := func(i int, host uint32, at int) {
		p := &ps[i%assemble.BatchSize]
		*p = capture.Packet{Proto: flow.UDP, Bytes: 100, DstPort: 9998, Dst: server, SrcPort: uint16(host), Time: start + flow.Time(at)*100}
		p.Src = capture.Addr{Lo: 0xffff<<32 | 10<<24 | uint64(host)}
		if i%assemble.BatchSize == assemble.BatchSize-1 {
			table.Batch(ps[:], &nth)
		}
	}
	for i := range n {
		give(i, uint32(i), 0)
	}
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		give(i, rng.Uint32N(uint32(n)), i)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpps")
}

// BenchmarkFlood is ten million attempts from spoofed addresses at all ports of one
// host, with a real connection after every thousandth, and a table of 65,536 flows.
func BenchmarkFlood(b *testing.B) {
	const attempts, every = 10_000_000, 1000
	var real, probes int
	before := cpu()
	for b.Loop() {
		real, probes = 0, 0
		table := assemble.New(assemble.Options{Capacity: 1 << 16, Seed: 1}, func(rs []flow.Record) error {
			for i := range rs {
				if r := &rs[i]; r.Outcome == flow.Established && r.Key.ServerPort == 5432 {
					real++
				} else {
					probes++
				}
			}
			return nil
		})
		rng := rand.New(rand.NewPCG(1, 2))
		now := start
		for i := range attempts {
			now += 2000
			p := capture.Packet{Time: now, Proto: flow.TCP, Flags: flow.SYN, Bytes: 40, Src: capture.Addr{Hi: rng.Uint64(), Lo: rng.Uint64()}, Dst: server, SrcPort: uint16(i), DstPort: uint16(rng.Uint32()), Digest: rng.Uint64() | 1}
			table.Packet(&p)
			if i%every == 0 {
				connect(table, now, uint32(i/every))
			}
		}
		if err := table.Flush(); err != nil {
			b.Fatal(err)
		}
		table.Close()
	}
	b.ReportMetric(float64(attempts)*float64(b.N)/(cpu()-before).Seconds()/1e6, "Mpps/cpu")
	b.ReportMetric(100*float64(real)/(attempts/every), "%real-seen")
	b.ReportMetric(float64(probes), "probe-records")
}

// cpu is the user and system time of the process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// connect gives the packets of the nth real connection.
func connect(table *assemble.Table, now flow.Time, n uint32) {
	c := conversation{flow.TCP, 5432, now}
	for _, q := range []*capture.Packet{c.packet(true, flow.SYN), c.packet(false, flow.SYN|flow.ACK), c.packet(true, flow.ACK), c.packet(false, flow.ACK)} {
		if q.SrcPort == 40000 {
			q.SrcPort = uint16(1024 + n)
		} else {
			q.DstPort = uint16(1024 + n)
		}
		table.Packet(q)
	}
}

type discard struct{}

func (discard) take([]flow.Record) error { return nil }

func BenchmarkTable1k(b *testing.B)   { benchmarkTable(b, 1_000) }
func BenchmarkTable100k(b *testing.B) { benchmarkTable(b, 100_000) }
func BenchmarkTable1M(b *testing.B)   { benchmarkTable(b, 1_000_000) }
