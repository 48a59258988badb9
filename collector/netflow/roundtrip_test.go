package netflow_test

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/collector/netflow/netflowtest"
	"github.com/bulkhead/bulkhead/flow"
)

const boot = flow.Time(1_700_000_000 * 1e9)

var formats = []netflowtest.Format{netflowtest.V5, netflowtest.V9, netflowtest.IPFIX}

// export encodes records as one exporter would and decodes them again.
func export(t testing.TB, d *netflow.Decoder, e *netflowtest.Encoder, records []flow.Record) {
	t.Helper()
	var halves []netflowtest.Half
	var last flow.Time
	for i := range records {
		halves = append(halves, netflowtest.Halves(&records[i])...)
		last = max(last, records[i].Last)
	}
	for _, b := range e.Datagrams(halves, last+1e9) {
		if err := d.Datagram(b, router, last+1e9); err != nil {
			t.Fatal(err)
		}
	}
}

// plain keeps what every format carries, at its resolution, in a fixed order.
func plain(rs []flow.Record) []flow.Record {
	out := make([]flow.Record, len(rs))
	for i, r := range rs {
		out[i] = flow.Record{
			Key: r.Key, First: r.First / 1e6, Last: r.Last / 1e6, ClientPackets: r.ClientPackets, ServerPackets: r.ServerPackets,
			ClientBytes: r.ClientBytes, ServerBytes: r.ServerBytes, ClientFlags: r.ClientFlags, ServerFlags: r.ServerFlags, Outcome: r.Outcome,
		}
	}
	slices.SortFunc(out, func(a, b flow.Record) int {
		return cmp.Or(cmp.Compare(a.First, b.First), a.Key.Client.Compare(b.Key.Client), cmp.Compare(a.Key.ClientPort, b.Key.ClientPort))
	})
	return out
}

var compareKeys = gocmp.Comparer(func(a, b flow.Key) bool { return a == b })

func TestRecordsSurviveExport(t *testing.T) {
	want := netflowtest.Records(2000, 1, boot+3600e9)
	for _, f := range formats {
		g := &gather{}
		d := netflow.NewDecoder(netflow.Options{}, g)
		export(t, d, &netflowtest.Encoder{Format: f, Boot: boot}, want)
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(plain(want), plain(g.records), compareKeys); diff != "" {
			t.Errorf("v%d (-want +got):\n%.3000s", f, diff)
		}
		s := d.Stats()
		if s.Flows != 4000 || s.Stitch.Reported != 4000 || s.Stitch.Records != 2000 || s.LostFlows+s.LostPackets+s.LostRecords != 0 {
			t.Errorf("v%d: %+v", f, s.Counts)
		}
	}
}

// A datagram of known templates costs no allocation, from its bytes to the sink.
func TestDatagramsDoNotAllocate(t *testing.T) {
	records := netflowtest.Records(2000, 1, boot+3600e9)
	var halves []netflowtest.Half
	for i := range records {
		halves = append(halves, netflowtest.Halves(&records[i])...)
	}
	for _, f := range formats {
		e := &netflowtest.Encoder{Format: f, Boot: boot, TemplateEvery: 1 << 30}
		datagrams := e.Datagrams(halves, boot+7200e9)
		d := netflow.NewDecoder(netflow.Options{Batch: 64}, &count{})
		i := 0
		next := func() {
			if err := d.Datagram(datagrams[i%len(datagrams)], router, boot+7200e9); err != nil {
				t.Fatal(err)
			}
			i++
		}
		for range 2 * len(datagrams) { // until tables have their size
			next()
		}
		if n := testing.AllocsPerRun(len(datagrams)-1, next); n != 0 {
			t.Errorf("v%d: %v allocations for a datagram", f, n)
		}
	}
}
