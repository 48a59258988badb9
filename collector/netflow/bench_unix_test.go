//go:build unix

package netflow_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/collector/netflow/netflowtest"
	"github.com/bulkhead/bulkhead/flow"
)

// count is a sink that keeps nothing.
type count struct{ n int }

func (c *count) Records(rs []flow.Record) error { c.n += len(rs); return nil }

// BenchmarkDecode is the cost of one exported record, decoded, stitched and given
// to the sink. Two of them make a flow, and every flow is a new one until all
// 300,000 have been seen.
func BenchmarkDecode(b *testing.B) {
	for _, f := range formats {
		b.Run(fmt.Sprintf("v%d", f), func(b *testing.B) {
			records := netflowtest.Records(300_000, 1, boot+3600e9)
			var halves []netflowtest.Half
			for i := range records {
				halves = append(halves, netflowtest.Halves(&records[i])...)
			}
			e := &netflowtest.Encoder{Format: f, Boot: boot}
			datagrams := e.Datagrams(halves, boot+7200e9)
			g := &count{}
			d := netflow.NewDecoder(netflow.Options{}, g)
			b.ReportAllocs()
			b.ResetTimer()
			spent := cpuTime(b)
			done := 0
			for i := 0; done < b.N; i++ {
				if err := d.Datagram(datagrams[i%len(datagrams)], router, boot+7200e9+flow.Time(i)*1e5); err != nil {
					b.Fatal(err)
				}
				done += len(halves) / len(datagrams)
			}
			b.ReportMetric(float64((cpuTime(b)-spent).Nanoseconds())/float64(done), "cpu-ns/record")
			b.ReportMetric(float64(g.n)/float64(done), "flows/record")
		})
	}
}

// cpuTime is the CPU time of the process, which a busy machine does not stretch
// as it does the clock.
func cpuTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
