package mapper_test

import (
	"testing"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

func TestHygiene(t *testing.T) {
	in, e := estateInput(t, scenario.Options{})
	inv := e.Inventory(true)
	for i := range inv.Workloads {
		switch w := &inv.Workloads[i]; w.ID {
		case "supplier-db01":
			w.Labels = topology.Labels{"app": "finance", "env": "prod", "role": "ledger"}
		case "hr-web01":
			w.Labels = nil
		}
	}
	inv.Workloads = append(inv.Workloads, topology.Workload{ID: "gone-1", Name: "pricing-web01"})
	x, err := topology.NewIndex(inv)
	if err != nil {
		t.Fatal(err)
	}
	in.Index = x
	got := map[string]string{}
	for _, i := range mapper.Hygiene(build(t, in), x) {
		got[i.Workload+" "+i.Kind] = i.Why
	}
	for _, want := range []string{"supplier-db01 mislabelled", "hr-web01 unlabelled", "gone-1 stale", "gone-1 duplicate"} {
		if got[want] == "" {
			t.Errorf("%s is missing from %v", want, got)
		}
	}
	if got["shop-db01 mislabelled"] != "" {
		t.Error("a rightly labelled workload is called mislabelled")
	}
}
