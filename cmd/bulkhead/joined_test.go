package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/controller"
	"github.com/bulkhead/bulkhead/topology"
)

// TestLabelsOfTokensAreInTheInventory: what simulate, recommend and the map start
// from has the labels of tokens, on who holds the address an agent proved, below
// what people decided.
func TestLabelsOfTokensAreInTheInventory(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	addr := func(s string) topology.Address { return topology.Address{Addr: netip.MustParseAddr(s)} }
	before := addr("10.0.0.4")
	before.To = now.Add(-time.Hour)
	inv := topology.Inventory{Workloads: []topology.Workload{
		{ID: "web", Labels: topology.Labels{"role": "guess", "env": "prod"}, Addresses: []topology.Address{addr("10.0.0.1")}},
		{ID: "gone", Labels: topology.Labels{"role": "old"}, Addresses: []topology.Address{before}},
	}}
	host := func(name, from string, role fleet.Role) controller.Host {
		h := controller.Host{Enrolment: fleet.Enrolment{Name: name, Role: role, Labels: topology.Labels{"role": name, "app": "shop"}}}
		if from != "" {
			h.From = netip.MustParseAddr(from)
		}
		return h
	}
	hosts := []controller.Host{host("a", "10.0.0.1", fleet.Agent), host("b", "10.0.0.2", fleet.Agent), host("relayed", "", fleet.Agent),
		host("gw", "10.0.0.3", fleet.Gateway), host("late", "10.0.0.4", fleet.Agent)}
	labelJoined(&inv, hosts, now)
	book := labelBook{Labels: map[string]topology.Labels{"web": {"app": "bank"}, "10.0.0.2": {"role": "db"}}}
	book.apply(&inv)
	want := []topology.Workload{
		{ID: "10.0.0.2", Labels: topology.Labels{"role": "db", "app": "shop"}, Origin: originJoin, Addresses: []topology.Address{addr("10.0.0.2")}},
		{ID: "10.0.0.4", Labels: topology.Labels{"role": "late", "app": "shop"}, Origin: originJoin, Addresses: []topology.Address{{Addr: before.Addr, From: before.To}}},
		{ID: "gone", Labels: topology.Labels{"role": "old"}, Addresses: []topology.Address{before}},
		{ID: "web", Labels: topology.Labels{"role": "a", "app": "bank", "env": "prod"}, Addresses: []topology.Address{addr("10.0.0.1")}},
	}
	sorted := cmpopts.SortSlices(func(a, b topology.Workload) bool { return a.ID < b.ID })
	if diff := cmp.Diff(want, inv.Workloads, cmpopts.EquateComparable(netip.Addr{}), sorted); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := topology.NewIndex(&inv); err != nil {
		t.Error(err)
	}
	members := []topology.Member{{ID: "web", Labels: topology.Labels{"role": "guess", "app": "bank"}, Addrs: []netip.Addr{hosts[0].From}}}
	if got := withHosts(members, hosts[:1], book.Labels)[0].Labels; got["role"] != "a" || got["app"] != "bank" {
		t.Errorf("the controller gives %v: want the token's role and the decided application", got)
	}
}
