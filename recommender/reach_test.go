package recommender_test

import (
	"slices"
	"testing"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
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
