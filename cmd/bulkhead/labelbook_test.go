package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkhead/bulkhead/topology"
)

// A label on an address makes a workload of it, until a workload of the inventory
// claims the address: then that one has the label, and nothing holds it twice.
func TestLabelsOfAnAddressGoToWhoClaimsIt(t *testing.T) {
	a := topology.Address{Addr: netip.MustParseAddr("10.0.0.1")}
	ended, scoped := a, a
	ended.To = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	after := topology.Address{Addr: a.Addr, From: ended.To}
	scoped.Scope = 100 << 12
	book := labelBook{Labels: map[string]topology.Labels{"10.0.0.1": {"role": "web", "env": "dev"}, "new": {"env": "prod"}, "10.0.0.1@vlan100": {"role": "db"}, "gone": {"a": "b"}}}
	inv := topology.Inventory{Workloads: []topology.Workload{{ID: "old", Addresses: []topology.Address{ended}}, {ID: "new", Addresses: []topology.Address{after}}}}
	book.apply(&inv)
	want := []topology.Workload{
		{ID: "old", Addresses: []topology.Address{ended}},
		{ID: "new", Addresses: []topology.Address{after}, Labels: topology.Labels{"role": "web", "env": "prod"}},
		{ID: "10.0.0.1@vlan100", Labels: topology.Labels{"role": "db"}, Origin: "labels", Addresses: []topology.Address{scoped}},
	}
	same := cmpopts.EquateComparable(netip.Addr{})
	sorted := cmpopts.SortSlices(func(a, b topology.Workload) bool { return a.ID < b.ID })
	if diff := cmp.Diff(want, inv.Workloads, same, sorted); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := topology.NewIndex(&inv); err != nil {
		t.Error(err)
	}
}
