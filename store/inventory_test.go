package store_test

import (
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/topology"
)

func TestPublishInventory(t *testing.T) {
	s := open(t)
	moved := day.Add(12 * time.Hour)
	inv := &topology.Inventory{Workloads: []topology.Workload{
		{ID: "a", Name: "web", Labels: topology.Labels{"role": "web"}, Addresses: []topology.Address{{Addr: ip("10.0.0.1"), To: moved}, {Addr: ip("2001:db8::1")}}},
		{ID: "b", Addresses: []topology.Address{{Addr: ip("10.0.0.1"), From: moved}}},
	}}
	for range 2 {
		if err := s.PublishInventory(t.Context(), inv, 7); err != nil {
			t.Fatal(err)
		}
	}
	conn := connect(t, s)
	var n uint64
	var id, role string
	err := conn.QueryRow(t.Context(), "SELECT count(), argMax(id, from_time), argMin(labels['role'], from_time) FROM workload_addresses WHERE generation = 7 AND addr = toIPv6('10.0.0.1')").Scan(&n, &id, &role)
	if err != nil || n != 2 || id != "b" || role != "web" {
		t.Errorf("%d rows, latest %q, first role %q, %v", n, id, role, err)
	}
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM workload_addresses WHERE workload = ?", topology.WorkloadKey("a")).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d addresses of a, %v; want 2", n, err)
	}
}
