package inventory_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/internal/inventory"
	"github.com/bulkhead/bulkhead/topology"
)

func TestDiff(t *testing.T) {
	old := &topology.Inventory{
		Workloads: []topology.Workload{
			{ID: "gone", Labels: topology.Labels{"role": "db"}, Addresses: held("10.0.0.9")},
			{ID: "same", Origin: "csv:a", Addresses: held("10.0.0.1", "10.0.0.2")},
			{ID: "web", Name: "web1", Labels: topology.Labels{"env": "dev", "loc": "x"}, Addresses: held("10.0.0.3")},
		},
		Networks: []topology.Network{{Name: "vpn", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}},
	}
	scoped := topology.Address{Addr: netip.MustParseAddr("10.0.0.3"), Scope: 7, From: day(1), To: day(2)}
	after := &topology.Inventory{
		Workloads: []topology.Workload{
			{ID: "web", Labels: topology.Labels{"env": "prod", "app": "shop"}, Addresses: []topology.Address{scoped}},
			{ID: "same", Origin: "yaml:b", Addresses: held("10.0.0.2", "10.0.0.1")},
			{ID: "new", Name: "n"},
		},
		Networks: []topology.Network{{Name: "vpn", Inside: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}},
	}
	want := []string{
		"~ web: name web1 removed; label app shop added; label env dev → prod; label loc x removed; " +
			"address 10.0.0.3@7 (2026-11-01T00:00:00Z to 2026-11-02T00:00:00Z) added; address 10.0.0.3 removed",
		"+ new n []",
		"- gone [role=db] 10.0.0.9",
		"~ network vpn: inside false → true",
	}
	if diff := cmp.Diff(want, inventory.Diff(old, after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := inventory.Diff(after, after); len(got) != 0 {
		t.Errorf("an inventory differs from itself: %q", got)
	}
}
