package topology_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

var (
	noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	addr = netip.MustParseAddr("10.0.0.1")
)

// handedOn is an inventory in which "old" gave its address to "new" at noon.
func handedOn(t *testing.T) *topology.Index {
	t.Helper()
	x, err := topology.NewIndex(&topology.Inventory{Workloads: []topology.Workload{
		{ID: "new", Addresses: []topology.Address{{Addr: addr, From: noon}}},
		{ID: "old", Addresses: []topology.Address{{Addr: addr, To: noon}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestSnapshotGivesAnAddressToItsHolderOnly(t *testing.T) {
	m := &topology.Map{
		Graph: topology.Graph{Nodes: []topology.Node{
			{ID: "10.9.9.9", Kind: topology.NodeAddress, Addrs: []netip.Addr{netip.MustParseAddr("10.9.9.9")}},
			{ID: "internet", Kind: topology.NodeInternet},
			{ID: "new", Addrs: []netip.Addr{addr}},
			{ID: "old", Addrs: []netip.Addr{addr}},
		}},
		Labels: []topology.Labels{nil, nil, {"role": "web"}, {"role": "db"}},
	}
	unclaimed := topology.Member{ID: "10.9.9.9", Addrs: m.Graph.Nodes[0].Addrs}
	for _, c := range []struct {
		at   time.Time
		want topology.Member
	}{
		{noon.Add(-time.Second), topology.Member{ID: "old", Labels: topology.Labels{"role": "db"}, Addrs: []netip.Addr{addr}}},
		{noon, topology.Member{ID: "new", Labels: topology.Labels{"role": "web"}, Addrs: []netip.Addr{addr}}},
	} {
		got := m.Snapshot(handedOn(t), flow.TimeOf(c.at))
		if diff := cmp.Diff([]topology.Member{unclaimed, c.want}, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", c.at, diff)
		}
	}
}

func TestIndexStampsWhoHeldTheAddressThen(t *testing.T) {
	x := handedOn(t)
	for when, id := range map[time.Duration]string{-time.Hour: "old", 0: "new", time.Hour: "new"} {
		r := flow.Record{First: flow.TimeOf(noon.Add(when)), Key: flow.Key{Client: addr, Server: netip.MustParseAddr("10.0.0.2")}}
		x.Stamp(&r)
		if r.ClientWorkload != topology.WorkloadKey(id) || r.ServerWorkload != 0 {
			t.Errorf("%s: stamped %x and %x, want %s and nobody", when, r.ClientWorkload, r.ServerWorkload, id)
		}
	}
}

func TestIndexRefusesWhatContradictsItself(t *testing.T) {
	at := func(from, to time.Time) []topology.Address {
		return []topology.Address{{Addr: addr, From: from, To: to}}
	}
	for name, ws := range map[string][]topology.Workload{
		"no id":      {{Name: "x"}},
		"same id":    {{ID: "a"}, {ID: "a"}},
		"both hold":  {{ID: "a", Addresses: at(time.Time{}, time.Time{})}, {ID: "b", Addresses: at(noon, time.Time{})}},
		"ends early": {{ID: "a", Addresses: at(noon, noon.Add(-time.Hour))}},
	} {
		if _, err := topology.NewIndex(&topology.Inventory{Workloads: ws}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
