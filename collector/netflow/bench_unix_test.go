//go:build unix

package netflow_test

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/collector/netflow/netflowtest"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// count is a sink that keeps nothing.
type count struct{ n int }

func (c *count) Records(rs []flow.Record) error { c.n += len(rs); return nil }

// stamper is a sink that gives every record its identities, of 22,000 workloads.
type stamper struct {
	count
	index *topology.Index
}

func (s *stamper) Records(rs []flow.Record) error {
	for i := range rs {
		s.index.Stamp(&rs[i])
	}
	return s.count.Records(rs)
}

// newStamper knows every address of netflowtest.Records.
func newStamper(b *testing.B) *stamper {
	inv := &topology.Inventory{}
	for n, size := range []int{1: 20_000, 2: 2_000} {
		for i := range size {
			a := netip.AddrFrom4([4]byte{10, byte(n), byte(i >> 8), byte(i)})
			inv.Workloads = append(inv.Workloads, topology.Workload{ID: a.String(), Addresses: []topology.Address{{Addr: a}}})
		}
	}
	x, err := topology.NewIndex(inv)
	if err != nil {
		b.Fatal(err)
	}
	return &stamper{index: x}
}

// BenchmarkDecode is the cost of one exported record, decoded, stitched and given
// to the sink, without and with identities stamped on it. Two of them make a flow,
// and every flow is a new one until all 300,000 have been seen.
func BenchmarkDecode(b *testing.B) {
	stamped := newStamper(b)
	for _, c := range []struct {
		name   string
		format netflowtest.Format
		sink   netflow.Sink
	}{
		{"v5", netflowtest.V5, &count{}}, {"v9", netflowtest.V9, &count{}}, {"IPFIX", netflowtest.IPFIX, &count{}},
		{"v9-stamped", netflowtest.V9, stamped},
	} {
		b.Run(c.name, func(b *testing.B) {
			records := netflowtest.Records(300_000, 1, boot+3600e9)
			var halves []netflowtest.Half
			for i := range records {
				halves = append(halves, netflowtest.Halves(&records[i])...)
			}
			e := &netflowtest.Encoder{Format: c.format, Boot: boot}
			datagrams := e.Datagrams(halves, boot+7200e9)
			d := netflow.NewDecoder(netflow.Options{}, c.sink)
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

// BenchmarkReceive sends records over loopback at a million a second, 20 to a
// datagram, and reports what arrived, what the kernel dropped and what receiving,
// decoding and stitching cost. The sender's share of the CPU time is in it too.
func BenchmarkReceive(b *testing.B) {
	records := netflowtest.Records(100_000, 1, boot+3600e9)
	var halves []netflowtest.Half
	for i := range records {
		halves = append(halves, netflowtest.Halves(&records[i])...)
	}
	datagrams := (&netflowtest.Encoder{Format: netflowtest.V9, Boot: boot}).Datagrams(halves, boot+7200e9)
	d := netflow.NewDecoder(netflow.Options{}, &count{})
	s, stop := listen(b, netflow.ListenOptions{Workers: 1}, d)
	total := max(b.N/20, 1)
	b.ResetTimer()
	sent, err := netflowtest.Blast(b.Context(), dial(b, s), datagrams, total, 1e6/20)
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	if err := stop(); err != nil {
		b.Fatal(err)
	}
	st := s.Stats()
	b.ReportMetric(float64(sent*20)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(st.KernelDrops)/float64(sent)*100, "%dropped")
	b.ReportMetric(float64(d.Stats().Flows), "records")
}
