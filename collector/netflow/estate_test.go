package netflow

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector/netflow/stitch"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
)

type keep struct{ records []flow.Record }

func (k *keep) Records(rs []flow.Record) error {
	k.records = append(k.records, rs...)
	return nil
}

// link names a dependency.
func link(k flow.Key) string { return fmt.Sprintf("%v > %v %v", k.Client, k.Server, k.Service()) }

// TestEstate exports a generated estate in every protocol and compares what comes
// back with what happened: dependencies, directions, and flows counted once.
func TestEstate(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes some hundred thousand records")
	}
	estate, err := scenario.Generate(scenario.Options{Workloads: 200, Days: 2, Rate: 0.2})
	if err != nil {
		t.Fatal(err)
	}
	all, only4 := newTruth(), newTruth()
	if err := estate.Flows(func(r flow.Record) error {
		all.add(&r)
		if r.Key.Client.Is4() {
			only4.add(&r)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	export := func(p scenario.Protocol, c scenario.Capture) func(io.Writer) error {
		return func(w io.Writer) error { return estate.WriteExport(w, p, c) }
	}
	for _, c := range []struct {
		name    string
		write   func(io.Writer) error
		truth   *truth
		edges   float64 // share of true dependencies that must be found
		wrong   float64 // share of records that may be reversed
		sampled bool
	}{
		{"v5", export(scenario.NetFlow5, scenario.Capture{}), only4, 0.998, 0.001, false},
		{"v9", export(scenario.NetFlow9, scenario.Capture{}), all, 0.998, 0.001, false},
		{"IPFIX", export(scenario.IPFIX, scenario.Capture{}), all, 0.998, 0.001, false},
		{"v9 of two routers", export(scenario.NetFlow9, scenario.Capture{Routers: 2}), all, 0.998, 0.001, false},
		{"v9, half the handshakes missing", export(scenario.NetFlow9, scenario.Capture{MidStream: 0.5}), all, 0.998, 0.001, false},
		{"sFlow 1:100", func(w io.Writer) error { return estate.WriteSFlow(w, 100, scenario.Capture{}) }, all, 0, 0.02, true},
	} {
		records, stats := decodeEstate(t, c.write)
		got := newTruth()
		var wrong int
		for i := range records {
			got.add(&records[i])
			if c.truth.pairs[link(records[i].Key.Reverse())] && !c.truth.pairs[link(records[i].Key)] {
				wrong++
			}
		}
		found, extra := 0, 0
		for e := range got.edges {
			if c.truth.edges[e] {
				found++
			} else {
				extra++
			}
		}
		t.Logf("%s: %d of %d dependencies, %d that are none; %d of %d records reversed; %d flows for %d; stitched %+v",
			c.name, found, len(c.truth.edges), extra, wrong, len(records), got.flows, c.truth.flows, stats.Stitch)
		if float64(found) < c.edges*float64(len(c.truth.edges)) || float64(extra) > 0.002*float64(len(c.truth.edges)) {
			t.Errorf("%s: %d of %d dependencies found, %d that are none", c.name, found, len(c.truth.edges), extra)
		}
		if float64(wrong) > c.wrong*float64(len(records)) {
			t.Errorf("%s: %d of %d records reversed", c.name, wrong, len(records))
		}
		if off := float64(got.flows)/float64(c.truth.flows) - 1; !c.sampled && (off > 0.01 || off < -0.01) {
			t.Errorf("%s: %d flows counted, %d happened", c.name, got.flows, c.truth.flows)
		}
	}
}

// truth is what records amount to.
type truth struct {
	edges map[string]bool // established
	pairs map[string]bool // any outcome
	flows int             // established, splits once
}

func newTruth() *truth { return &truth{edges: map[string]bool{}, pairs: map[string]bool{}} }

func (u *truth) add(r *flow.Record) {
	u.pairs[link(r.Key)] = true
	if r.Outcome != flow.Established {
		return
	}
	u.edges[link(r.Key)] = true
	if r.Split == 0 {
		u.flows++
	}
}

func decodeEstate(t *testing.T, write func(io.Writer) error) ([]flow.Record, Stats) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exports.pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	k := &keep{}
	d := NewDecoder(Options{Stitch: stitch.Options{HoldFor: 1000 * time.Hour}}, k) // as for a file
	for _, g := range readDatagrams(t, path) {
		if err := d.Datagram(g.payload, g.from, g.at); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	return k.records, d.Stats()
}
