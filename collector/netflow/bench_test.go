package netflow_test

import (
	"fmt"
	"testing"

	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/collector/netflow/netflowtest"
	"github.com/bulkhead/bulkhead/flow"
)

// count is a sink that keeps nothing.
type count struct{ n int }

func (c *count) Records(rs []flow.Record) error { c.n += len(rs); return nil }

// BenchmarkDecode is the cost of one exported record, decoded, stitched and given
// to the sink; two of them make a flow.
func BenchmarkDecode(b *testing.B) {
	for _, f := range formats {
		b.Run(fmt.Sprintf("v%d", f), func(b *testing.B) {
			records := netflowtest.Records(100_000, 1, boot+3600e9)
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
			done := 0
			for i := 0; done < b.N; i++ {
				if err := d.Datagram(datagrams[i%len(datagrams)], router, boot+7200e9+flow.Time(i)*1e5); err != nil {
					b.Fatal(err)
				}
				done += len(halves) / len(datagrams)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(done), "ns/record")
			b.ReportMetric(float64(g.n)/float64(done), "flows/record")
		})
	}
}
