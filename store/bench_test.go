package store_test

import (
	"encoding/binary"
	"net/netip"
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

// BenchmarkInsert measures records into ClickHouse through the writer with its
// spool: rows/s, and this process's processor time per row.
func BenchmarkInsert(b *testing.B) {
	for _, c := range []struct {
		name string
		opt  store.WriterOptions
	}{
		{"spool", store.WriterOptions{SpoolDir: "yes", BatchRows: 200_000, Wait: true}},
		{"memory", store.WriterOptions{BatchRows: 200_000, Wait: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := open(b)
			rs := traffic(1_000_000, 200_000, 24)
			if c.opt.SpoolDir != "" {
				c.opt.SpoolDir = b.TempDir()
			}
			w, err := s.NewWriter(b.Context(), c.opt)
			if err != nil {
				b.Fatal(err)
			}
			before := cpu()
			b.ResetTimer()
			rows := 0
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
			b.ReportMetric(float64(cpu()-before)/float64(rows), "client-cpu-ns/row")
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
