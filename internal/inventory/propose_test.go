package inventory_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/inventory"
	"github.com/bulkhead/bulkhead/topology"
)

// called is a name seen at an address on days of November 2026, midnight to
// midnight.
func called(addr, name string, kind flow.NameKind, from, to int) flow.Name {
	return flow.Name{Addr: netip.MustParseAddr(addr), Name: name, Kind: kind, First: flow.TimeOf(day(from)), Last: flow.TimeOf(day(to)), Count: 1}
}

func unclaimed(addrs ...string) *topology.Graph {
	g := &topology.Graph{}
	for _, a := range addrs {
		g.Nodes = append(g.Nodes, topology.Node{ID: a, Name: a, Kind: topology.NodeAddress, Addrs: []netip.Addr{netip.MustParseAddr(a)}})
	}
	return g
}

func proposed(t *testing.T, inv *topology.Inventory, seen inventory.Seen) []inventory.Proposal {
	t.Helper()
	x, err := topology.NewIndex(inv)
	if err != nil {
		t.Fatal(err)
	}
	list := inventory.Propose(inv, x, seen)
	if _, err := inventory.With(inv, list); err != nil {
		t.Errorf("what is proposed contradicts itself: %v", err)
	}
	return list
}

func between(a string, from, to time.Time) topology.Address {
	return topology.Address{Addr: netip.MustParseAddr(a), From: from, To: to}
}

// Leases seen on the wire become workloads with the time they held an address: a
// re-used address is handed on, a moved machine leaves, a second family is the
// same machine, one name at two places at once is two machines.
func TestProposeMachinesFromNames(t *testing.T) {
	var open time.Time
	inv := &topology.Inventory{Workloads: []topology.Workload{
		{ID: "till3", Addresses: held("10.0.0.99")},
		{ID: "former", Addresses: []topology.Address{between("10.0.0.9", open, day(2))}},
	}}
	got := proposed(t, inv, inventory.Seen{
		Graph: unclaimed("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9", "fd00::1"),
		Names: []flow.Name{
			called("10.0.0.1", "till1", flow.NameDHCP, 1, 4), called("10.0.0.1", "till2", flow.NameDHCP, 6, 9), // re-used
			called("10.0.0.1", "www.shop.example", flow.NameDNS, 1, 9),                                 // less trusted
			called("10.0.0.2", "till1.shop.example.", flow.NameDHCP, 5, 9),                             // moved
			called("fd00::1", "till1", flow.NameMDNS, 1, 9),                                            // both families
			called("10.0.0.3", "till3", flow.NamePTR, 1, 9),                                            // the id is taken
			called("10.0.0.4", "a", flow.NameDHCP, 1, 5), called("10.0.0.4", "b", flow.NameDHCP, 4, 9), // by turns
			called("10.0.0.5", "twin", flow.NameDHCP, 1, 9), called("10.0.0.6", "twin", flow.NameDHCP, 2, 8), // two machines
			called("10.0.0.7", "api.shop.example", flow.NameSNI, 1, 9), called("10.0.0.8", "iPhone", flow.NameDHCP, 1, 9), // say nothing
			called("10.0.0.9", "next", flow.NameDHCP, 3, 9),  // after somebody known
			called("10.0.0.99", "else", flow.NameDHCP, 1, 9), // claimed
		}})
	want := map[string][]topology.Address{
		"till1":   {between("10.0.0.1", open, day(5)), between("fd00::1", open, open), between("10.0.0.2", day(5), open)},
		"till2":   {between("10.0.0.1", day(6), open)},
		"till3-2": {between("10.0.0.3", open, open)},
		"twin":    {between("10.0.0.5", open, open)},
		"twin-2":  {between("10.0.0.6", open, open)},
		"next":    {between("10.0.0.9", day(2), open)},
	}
	have := map[string][]topology.Address{}
	for _, p := range got {
		have[p.Workload.ID] = p.Workload.Addresses
	}
	sorted := cmpopts.SortSlices(func(a, b topology.Address) bool { return a.Addr.Less(b.Addr) })
	if diff := cmp.Diff(want, have, equate, sorted); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What exporters say of translated flows becomes pools and virtual addresses.
func TestProposePoolsAndVirtualAddresses(t *testing.T) {
	ip := netip.MustParseAddr
	inv := &topology.Inventory{
		Workloads: []topology.Workload{{ID: "web1", Addresses: held("10.0.0.1")}, {ID: "lb", Addresses: held("10.0.0.200")}},
		Networks:  []topology.Network{{Name: "known", NAT: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}}},
	}
	got := proposed(t, inv, inventory.Seen{Graph: unclaimed("10.0.0.100", "10.0.0.2"), Translations: []flow.Translation{
		{Public: ip("198.51.100.7"), Behind: []netip.Addr{ip("10.8.0.1"), ip("10.8.0.2"), ip("10.9.0.1")}},
		{Public: ip("198.51.100.8"), Behind: []netip.Addr{ip("10.8.0.1")}},
		{Public: ip("192.0.2.3"), Behind: []netip.Addr{ip("10.8.0.1")}}, // known
		{Servers: true, Public: ip("10.0.0.100"), Behind: []netip.Addr{ip("10.0.0.1"), ip("10.0.0.2")}, Flows: 9},
		{Servers: true, Public: ip("10.0.0.200"), Behind: []netip.Addr{ip("10.0.0.1")}}, // a machine of its own
	}})
	if len(got) != 2 || got[0].Network == nil || got[1].Workload == nil {
		t.Fatalf("got %+v", got)
	}
	n := got[0].Network
	if len(n.Prefixes) != 2 || len(n.Behind) != 2 || !n.NAT || n.Name != "nat-198.51.100.7" || !strings.Contains(got[0].Why, "3 addresses appear under 2 addresses") {
		t.Errorf("the pool is %+v: %s", n, got[0].Why)
	}
	if diff := cmp.Diff([]string{"10.0.0.2", "web1"}, got[1].Workload.Backends); diff != "" || got[1].Workload.Kind != topology.KindVIP {
		t.Errorf("the virtual address is %+v (-want +got):\n%s", got[1].Workload, diff)
	}
}

func TestClaimed(t *testing.T) {
	inv := &topology.Inventory{Workloads: []topology.Workload{{ID: "web1", Labels: topology.Labels{"env": "prod"}, Addresses: held("10.0.0.1")}}}
	node := &topology.Node{ID: "10.0.0.7", Name: "web1.shop.example", Kind: topology.NodeAddress, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.7")}}
	if _, err := inventory.Claimed(inv, node, topology.Claim{}); err == nil || !strings.Contains(err.Error(), "--id web1") {
		t.Errorf("a name from the wire joined a workload: %v", err)
	}
	got, err := inventory.Claimed(inv, node, topology.Claim{ID: "web1", Labels: topology.Labels{"role": "web"}})
	want := []topology.Workload{{ID: "web1", Labels: topology.Labels{"env": "prod", "role": "web"}, Addresses: held("10.0.0.1", "10.0.0.7")}}
	if diff := cmp.Diff(want, got.Workloads, equate); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	got, err = inventory.Claimed(inv, node, topology.Claim{Name: "cache9", From: day(1)})
	if err != nil || len(got.Workloads) != 2 || got.Workloads[1].ID != "cache9" || !got.Workloads[1].Addresses[0].From.Equal(day(1)) || len(inv.Workloads) != 1 {
		t.Errorf("a new workload: %+v, %v", got, err)
	}
	node.Kind = topology.NodeWorkload
	if _, err := inventory.Claimed(inv, node, topology.Claim{Name: "x"}); err == nil {
		t.Error("a workload was claimed")
	}
}
