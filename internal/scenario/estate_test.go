package scenario_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/topology"
)

func generate(t testing.TB, o scenario.Options) *scenario.Estate {
	t.Helper()
	e, err := scenario.Generate(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The retail chain's story: what the vendor can reach through dependencies that
// exist, and how far payment is.
func TestVendorReachesPaymentInThreeHops(t *testing.T) {
	truth := generate(t, scenario.Options{}).Truth()
	all := reach(truth, "net:vendor-vpn", func(scenario.TrueEdge) bool { return true })
	legitimate := reach(truth, "net:vendor-vpn", func(e scenario.TrueEdge) bool { return e.Legitimate })

	if got := workloads(truth, all); got != 214 {
		t.Errorf("the vendor reaches %d workloads, want 214", got)
	}
	if got := workloads(truth, legitimate); got != 1 {
		t.Errorf("over legitimate edges the vendor reaches %d workloads, want 1: %v", got, legitimate)
	}
	first := 99
	for id, hops := range all {
		if truth.Labels[id][topology.LabelApp] == "payments" {
			first = min(first, hops)
		}
	}
	if first != 3 {
		t.Errorf("payment is %d hops from the vendor, want 3", first)
	}
}

// reach returns the hops from a node to all it reaches over the edges kept.
func reach(truth *scenario.Truth, from string, keep func(scenario.TrueEdge) bool) map[string]int {
	next := map[string][]string{}
	for _, e := range truth.Edges {
		if keep(e) {
			next[e.ClientID] = append(next[e.ClientID], e.ServerID)
		}
	}
	hops, queue := map[string]int{from: 0}, []string{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, to := range next[at] {
			if _, seen := hops[to]; !seen {
				hops[to] = hops[at] + 1
				queue = append(queue, to)
			}
		}
	}
	return hops
}

func workloads(truth *scenario.Truth, hops map[string]int) (n int) {
	for id := range hops {
		if truth.Labels[id] != nil {
			n++
		}
	}
	return n
}

func TestSizeIsExact(t *testing.T) {
	for _, n := range []int{200, 300, 1000, 5000} {
		e := generate(t, scenario.Options{Workloads: n})
		inv := e.Inventory(true)
		if len(inv.Workloads) != n {
			t.Errorf("%d workloads, want %d", len(inv.Workloads), n)
		}
		if _, err := topology.NewIndex(inv); err != nil {
			t.Errorf("%d workloads: %v", n, err)
		}
	}
}

func TestFlowsAddUpToEdges(t *testing.T) {
	for name, noise := range map[string]scenario.Noise{
		"plain":    {},
		"missing":  {MissingDays: 2},
		"one-way":  {OneWay: 0.2},
		"renumber": {Renumber: true, NoNames: true},
		"quiet":    {NoScanners: true},
	} {
		t.Run(name, func(t *testing.T) {
			e := generate(t, scenario.Options{Workloads: 200, Days: 3, Noise: noise})
			wantEdges, wantProbes := e.Edges()
			gotEdges, gotProbes := aggregate(t, e)
			if diff := gocmp.Diff(wantEdges, gotEdges, comparer); diff != "" {
				t.Errorf("edges (-Edges +Flows):\n%.2000s", diff)
			}
			if diff := gocmp.Diff(wantProbes, gotProbes, comparer); diff != "" {
				t.Errorf("probes (-Edges +Flows):\n%.2000s", diff)
			}
		})
	}
}

var comparer = gocmp.Comparer(func(a, b flow.Party) bool { return a == b })

type triple struct {
	client, server flow.Party
	svc            flow.Service
}

// aggregate adds up Flows the plain way.
func aggregate(t *testing.T, e *scenario.Estate) ([]flow.Edge, []flow.Probe) {
	t.Helper()
	edges, probes := map[triple]*flow.Edge{}, map[triple]*flow.Probe{}
	hours, days := map[triple]map[flow.Time]bool{}, map[triple]map[flow.Time]bool{}
	last := flow.Time(0)
	err := e.Flows(func(r flow.Record) error {
		if r.First < last {
			t.Fatalf("flow %d begins before the one before it", r.ID)
		}
		last = r.First
		k := triple{flow.Party{Addr: r.Key.Client, Workload: r.ClientWorkload}, flow.Party{Addr: r.Key.Server, Workload: r.ServerWorkload}, r.Key.Service()}
		switch r.Outcome {
		case flow.Established:
			if edges[k] == nil {
				edges[k] = &flow.Edge{Client: k.client, Server: k.server, Service: k.svc}
				hours[k], days[k] = map[flow.Time]bool{}, map[flow.Time]bool{}
			}
			hours[k][r.First/flow.Time(time.Hour)] = true
			days[k][r.First/flow.Time(24*time.Hour)] = true
			edges[k].Merge(flow.EdgeStats{Flows: 1, Packets: r.ClientPackets + r.ServerPackets, Bytes: r.ClientBytes + r.ServerBytes,
				First: r.First, Last: r.Last, Evidence: r.Evidence, Confidence: r.Confidence, Sensors: 1,
				Hours: uint32(len(hours[k])), Days: uint32(len(days[k]))})
		case flow.Refused, flow.Unanswered:
			if probes[k] == nil {
				probes[k] = &flow.Probe{Client: k.client, Server: k.server, Service: k.svc, Outcome: r.Outcome, Targets: 1, First: r.First}
			}
			probes[k].Attempts++
			probes[k].Last = max(probes[k].Last, r.Last)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sorted(edges), sorted(probes)
}

func sorted[V any](m map[triple]*V) []V {
	keys := make([]triple, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b triple) int {
		return cmp.Or(a.client.Addr.Compare(b.client.Addr), cmp.Compare(a.client.Workload, b.client.Workload),
			a.server.Addr.Compare(b.server.Addr), cmp.Compare(a.server.Workload, b.server.Workload), a.svc.Compare(b.svc))
	})
	var out []V
	for _, k := range keys {
		out = append(out, *m[k])
	}
	return out
}
