package stitch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/collector/netflow/stitch"
	"github.com/bulkhead/bulkhead/flow"
)

func TestTwoExportersCountOnce(t *testing.T) {
	g := newRig(stitch.Options{})
	g.add(&g.a, 10, up(0, 9, 5, full), down(0, 9, 4, full))
	g.add(&g.b, 11, up(0, 9, 5, full), down(0, 9, 4, full))
	g.Flush()
	want := []brief{
		{clientEnd, serverEnd, 5, 4, "established", 0, "a"},
		{clientEnd, serverEnd, 0, 0, "established", 1, "b"}, // says that b saw it, counts nothing
	}
	if diff := cmp.Diff(want, g.briefs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if g.Out()[0].ID != g.Out()[1].ID {
		t.Error("the two observations are not of one flow")
	}
	s := g.Stats()
	if s.Rows != 4 || s.Duplicates != 2 || s.Reported != 2 || s.Sightings != 1 {
		t.Errorf("%+v", s)
	}
}

func TestIngressAndEgressCountOnce(t *testing.T) {
	g := newRig(stitch.Options{})
	in, out := up(0, 9, 5, full), up(0, 9, 5, full)
	out.Egress = true
	g.add(&g.a, 10, in, out, down(0, 9, 4, full))
	want := []brief{{clientEnd, serverEnd, 5, 4, "established", 0, "a"}}
	if diff := cmp.Diff(want, g.briefs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Single packets seen a moment apart by two routers have no time in common.
func TestTwoExportersWithinClockSkewCountOnce(t *testing.T) {
	g := newRig(stitch.Options{})
	g.add(&g.a, 10, up(0, 0, 1, flow.SYN))
	g.add(&g.b, 11, up(1, 1, 1, flow.SYN))
	g.Flush()
	if s := g.Stats(); s.Duplicates != 1 {
		t.Errorf("%+v", s)
	}
}

// When the first observer falls silent, the second one's records count.
func TestSecondExporterTakesOver(t *testing.T) {
	g := newRig(stitch.Options{})
	g.add(&g.a, 60, up(0, 60, 5, full), down(0, 60, 5, full))
	g.add(&g.b, 61, up(0, 60, 5, full), down(0, 60, 5, full))
	g.add(&g.b, 140, up(70, 130, 7, flow.ACK), down(70, 130, 7, flow.ACK))
	g.add(&g.a, 141, up(70, 130, 7, flow.ACK), down(70, 130, 7, flow.ACK))
	g.Flush()
	var packets uint64
	for _, r := range g.Out() {
		packets += r.ClientPackets
	}
	if packets != 12 {
		t.Errorf("%d packets, want 12", packets)
	}
}

// Halves that two routers saw, one each, are one flow (asymmetric routing).
func TestHalvesOfTwoExportersJoin(t *testing.T) {
	g := newRig(stitch.Options{})
	g.add(&g.a, 10, up(0, 9, 5, full))
	g.add(&g.b, 12, down(0, 9, 4, full))
	want := []brief{{clientEnd, serverEnd, 5, 4, "established", 0, "a"}}
	if diff := cmp.Diff(want, g.briefs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A scan makes a bounded number of records, which say how much they stand for, and
// hides nothing that is established.
func TestScansFold(t *testing.T) {
	const probes = 5000
	g := newRig(stitch.Options{Budget: 50})
	for i := range probes {
		r := up(0, 0, 1, flow.SYN)
		r.Dst.Lo, r.DstPort = r.Dst.Lo+uint64(i/1000)<<8, uint16(1000+i)
		g.add(&g.a, 1, r)
	}
	g.add(&g.a, 1, up(0, 9, 5, full), down(0, 9, 4, full))
	g.Flush()
	var records, folded, established int
	for _, r := range g.Out() {
		if r.Outcome == flow.Established {
			established++
			continue
		}
		records, folded = records+1, folded+int(r.Folded)
	}
	if records > 60 || records+folded != probes || established != 1 {
		t.Errorf("%d records that stand for %d more attempts, want %d in all; %d established", records, folded, probes, established)
	}
	if s := g.Stats(); s.Folded != uint64(folded) || s.Reported != probes+2 {
		t.Errorf("%+v", s)
	}
}

// A table full of waiting halves still reports each of them, and never grows.
func TestBoundedTable(t *testing.T) {
	const limit, flows = 64, 1000 // all of them wait: none can be forgotten for free
	g := newRig(stitch.Options{MaxFlows: limit})
	for i := range flows {
		r := up(0, 9, 5, full)
		r.SrcPort = uint16(1024 + i)
		g.add(&g.a, 10, r)
		if n := g.Stats().Flows; n > limit {
			t.Fatalf("%d flows in a table of %d", n, limit)
		}
	}
	g.Flush()
	s := g.Stats()
	if s.Reported != flows || len(g.Out()) != flows || s.Folded != 0 || s.Evicted != flows-limit {
		t.Errorf("%+v", s)
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	g := newRig(stitch.Options{MaxFlows: 1024})
	u, d := up(0, 9, 5, full), down(0, 9, 5, full)
	for range 2000 {
		u.SrcPort++
		g.add(&g.a, 10, u)
	}
	g.Flush()
	g.Reset()
	i := uint16(0)
	rows := []plan.Row{u, d}
	if n := testing.AllocsPerRun(1000, func() {
		i++
		rows[0].SrcPort, rows[1].DstPort = i, i
		g.Add(&g.a, rows, t0)
		g.Reset()
	}); n != 0 {
		t.Errorf("%v allocations for a flow", n)
	}
}
