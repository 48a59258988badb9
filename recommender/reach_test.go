package recommender_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// The estate's story: a compromise of the vendor's VPN reaches payment today, and
// one workload once the recommendation is enforced.
func TestRecommendationClosesTheVendorsPath(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	rec, err := recommender.Recommend(m, probes, recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks})
	if err != nil {
		t.Fatal(err)
	}
	today, err := recommender.BlastRadius(m, nil, "net:vendor-vpn")
	if err != nil {
		t.Fatal(err)
	}
	draft, err := recommender.BlastRadius(m, rec.Set, "net:vendor-vpn")
	if err != nil {
		t.Fatal(err)
	}
	payment := func(p policy.AttackPath) bool {
		return m.Labels[p.Nodes[len(p.Nodes)-1]]["app"] == "payments"
	}
	at := slices.IndexFunc(today.Paths, payment)
	if at < 0 || len(today.Paths[at].Services) != 3 {
		t.Errorf("today: %d paths, the first to payment is %d; want one of 3 hops", len(today.Paths), at)
	}
	if slices.ContainsFunc(draft.Paths, payment) {
		t.Errorf("the draft leaves a path to payment: %+v", draft.Paths)
	}
	t.Logf("vendor reaches %d of %d today %v, %d under the draft", today.Reachable, today.Inside, today.ByHop, draft.Reachable)
	if today.Reachable < 200 || draft.Reachable != 1 {
		t.Errorf("vendor reaches %d today and %d under the draft, want over 200 and 1", today.Reachable, draft.Reachable)
	}
}

// Exposure must say of every node what a walk from it says.
func TestExposureIsBlastRadiusOfEverybody(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	rec, err := recommender.Recommend(m, probes, recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks})
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []*policy.Set{nil, rec.Set} {
		x := recommender.Exposure(m, set)
		for i := 0; i < len(m.Graph.Nodes); i += 7 {
			if !m.Graph.Nodes[i].Inside() {
				continue
			}
			r, err := recommender.BlastRadius(m, set, m.Graph.Nodes[i].ID)
			if err != nil {
				t.Fatal(err)
			}
			if r.Reachable != int(x.Reach[i]) {
				t.Fatalf("%s reaches %d by walking, %d by exposure", m.Graph.Nodes[i].ID, r.Reachable, x.Reach[i])
			}
		}
		t.Logf("mean %.3f, worst %.3f (%s)", x.Mean, x.Worst, x.WorstNode)
	}
	if c := recommender.Contribution(m, rec.Set, "jump-prod", "offices-admin-workstation-to-jump"); c <= 0 {
		t.Errorf("the administrators' way to the jump hosts contributes %g", c)
	}
}

func TestTightenClosesAndNeverOpens(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	opt := recommender.Options{Networks: e.Inventory(true).Networks, Scope: map[string]string{"app": "payments"}}
	x, err := recommender.Tighten(m, probes, policy.Ringfence, policy.ServiceLevel, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rules become %d", x.RulesBefore, x.RulesAfter)
	for _, c := range x.Closes {
		t.Log(c)
	}
	if len(x.Closes) == 0 {
		t.Error("nothing is closed")
	}
}

// BenchmarkExposure is 100,000 workloads and a million dependencies.
func BenchmarkExposure(b *testing.B) {
	m := layered(100_000, 1_000_000)
	b.ResetTimer()
	for b.Loop() {
		recommender.Exposure(m, nil)
	}
}

// layered is a graph without cycles but for pairs, the dear case: every node
// reaches much and few reach the same.
func layered(nodes, deps int) *topology.Map {
	m := &topology.Map{}
	for i := range nodes {
		m.Graph.Nodes = append(m.Graph.Nodes, topology.Node{ID: fmt.Sprintf("n%06d", i)})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	per := deps / nodes
	for i := range nodes {
		var to []int
		for range per {
			to = append(to, i+1+rng.IntN(1000))
		}
		slices.Sort(to)
		for _, s := range slices.Compact(to) {
			if s < nodes {
				m.Graph.Deps = append(m.Graph.Deps, topology.Dependency{Client: int32(i), Server: int32(s), Service: flow.Service{Proto: flow.TCP, Port: 1}})
			}
		}
	}
	return m
}

// What a policy lets happen includes what happened under it; without any policy
// everything that serves can be reached.
func TestPotentialIsNoLessThanSeen(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	rec, err := recommender.Recommend(m, probes, recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks})
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"net:vendor-vpn", "ws02", "jump01", "app=payments"} {
		seen, err := recommender.BlastRadius(m, rec.Set, from)
		if err != nil {
			t.Fatal(err)
		}
		could, err := recommender.PotentialRadius(m, rec.Set, from)
		if err != nil {
			t.Fatal(err)
		}
		flat, err := recommender.PotentialRadius(m, nil, from)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d by what was seen, %d by what is allowed, %d without policies", from, seen.Reachable, could.Reachable, flat.Reachable)
		if could.Reachable < seen.Reachable || flat.Reachable < could.Reachable || flat.ByHop[0] != flat.Reachable {
			t.Errorf("%s: seen %d, allowed %d, flat %v", from, seen.Reachable, could.Reachable, flat.ByHop)
		}
	}
}
