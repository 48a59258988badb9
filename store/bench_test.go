package store_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/store"
)

// traffic makes records of an estate: edges distinct client-server-service
// triples, hit unevenly, spread over hours. Deterministic.
func traffic(n, edges, hours int) []flow.Record {
	rs := make([]flow.Record, n)
	x := uint64(88172645463325252)
	for i := range rs {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17 // xorshift64, Marsaglia 2003
		e := uint32(x % uint64(edges))
		e = uint32(uint64(e) * (x >> 40 & 0xffff) >> 16) // uneven: low edges more often
		r := record(uint64(i+1), 0)
		r.First = flow.TimeOf(day.Add(time.Duration(i) * time.Duration(hours) * time.Hour / time.Duration(n)))
		r.Last = r.First.Add(time.Duration(x>>32&0xffffff) * time.Microsecond)
		r.Key.Client, r.Key.Server = v4(10<<24|e%50000), v4(10<<24|1<<23|e/7%9000)
		r.Key.ClientPort, r.Key.ServerPort = uint16(32768+x>>16&0x7fff), uint16(1+e%97)
		r.ClientWorkload, r.ServerWorkload = uint64(e%50000)*0x9E3779B97F4A7C15|1, uint64(e/7%9000)*0xC2B2AE3D27D4EB4F|1
		r.ClientBytes, r.ServerBytes = x>>50, x>>44
		r.VLAN, r.VNI, r.SamplingRate = 0, 0, 0
		if x>>60 == 0 {
			r.Outcome = flow.Unanswered
		}
		rs[i] = r
	}
	return rs
}

func v4(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// cpu is the processor time this process has used, user and system.
func cpu() time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// engineCPU is the processor time the shared engine has used, in steps of 10 ms
// (proc(5): utime and stime, in ticks of 1/100 s).
func engineCPU(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", sharedEngine(b).PID()))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	var user, system int64
	if _, err := fmt.Sscan(f[11]+" "+f[12], &user, &system); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// BenchmarkInsert measures records into ClickHouse through the writer, all views
// included: rows/s, and both sides' processor time per row, which holds on a busy
// machine too. "estate" has 20,000 edges in one hour, "scattered" 200,000 in a
// day, where hardly two rows of a batch share a rollup row.
func BenchmarkInsert(b *testing.B) {
	for _, c := range []struct {
		name         string
		spool        bool
		edges, hours int
	}{
		{"estate/spool", true, 20_000, 1},
		{"estate/memory", false, 20_000, 1},
		{"scattered/spool", true, 200_000, 24},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := open(b)
			rs := traffic(1_000_000, c.edges, c.hours)
			opt := store.WriterOptions{BatchRows: 200_000, Wait: true}
			if c.spool {
				opt.SpoolDir = b.TempDir()
			}
			w := newWriter(b, s, opt)
			client, server, rows := cpu(), engineCPU(b), 0
			for b.Loop() {
				for i := 0; i < len(rs); i += 1000 {
					if err := w.Records(rs[i : i+1000]); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
				rows += len(rs)
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(cpu()-client)/float64(rows), "client-cpu-ns/row")
			b.ReportMetric(float64(engineCPU(b)-server)/float64(rows), "engine-cpu-ns/row")
		})
	}
}

// BenchmarkAppend is a record into columns, nothing else.
func BenchmarkAppend(b *testing.B) {
	rs := traffic(100_000, 20_000, 1)
	b.ReportAllocs()
	store.AppendAll(b, rs)
}

// BenchmarkEdges measures edges out of BULKHEAD_BENCH_FLOWS raw flows (2 million
// unless it says otherwise) of a twentieth as many edges, spread over a day.
func BenchmarkEdges(b *testing.B) {
	flows := 2_000_000
	if text := os.Getenv("BULKHEAD_BENCH_FLOWS"); text != "" {
		if _, err := fmt.Sscan(text, &flows); err != nil {
			b.Fatal(err)
		}
	}
	s := open(b)
	fill(b, s, flows, flows/20)
	for _, c := range []struct {
		name string
		q    store.Query
	}{
		{"all", store.Query{}},
		{"top100", store.Query{Top: 100}},
		{"one-client", store.Query{Client: ip("10.0.0.77")}},
		{"last-6h", store.Query{Since: at(18)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			client, server, edges, n := cpu(), engineCPU(b), 0, 0
			for b.Loop() {
				got, err := s.Edges(b.Context(), c.q)
				if err != nil {
					b.Fatal(err)
				}
				edges, n = len(got), n+1
			}
			b.ReportMetric(float64(edges), "edges")
			b.ReportMetric(float64((cpu()-client).Milliseconds())/float64(n), "client-cpu-ms/op")
			b.ReportMetric(float64((engineCPU(b)-server).Milliseconds())/float64(n), "engine-cpu-ms/op")
		})
	}
}

// fill makes flows inside the database, through the views as always.
func fill(b *testing.B, s *store.Store, flows, edges int) {
	b.Helper()
	conn := connect(b, s)
	const step = 500_000
	for from := 0; from < flows; from += step {
		err := conn.Exec(b.Context(), fmt.Sprintf(`INSERT INTO flows (first, last, id, client, server, client_port, server_port, proto,
  client_packets, server_packets, client_bytes, server_bytes, outcome, evidence, confidence, client_workload, server_workload, sensor)
SELECT fromUnixTimestamp64Nano(%d + intDiv(number * 86400000000, %d) * 1000, 'UTC') AS at, at, number + 1,
  toIPv6(IPv4NumToString(toUInt32(167772160 + e %% 100000))) AS c, toIPv6(IPv4NumToString(toUInt32(176160768 + intDiv(e, 7) %% 9000))) AS s,
  32768 + rand(2) %% 28000, 1 + e %% 97, 6, 3, 4, rand(3) %% 16000, rand(4) %% 1000000, 1, 7, 99, sipHash64(c), sipHash64(s), 'tap-1'
FROM (SELECT number, toUInt32(rand64(1) %% %d) AS e FROM numbers(%d, %d))`,
			at(0), flows, edges, from, min(step, flows-from)))
		if err != nil {
			b.Fatal(err)
		}
	}
}
