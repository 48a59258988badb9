package store

import (
	"context"
	"fmt"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// PublishInventory writes who holds which address when to workload_addresses as
// generation, the version of the inventory's document: for queries by hand and
// for other programs. Publishing a generation again adds nothing.
func (s *Store) PublishInventory(ctx context.Context, inv *topology.Inventory, generation uint64) error {
	batch, err := s.conn.PrepareBatch(insertOnce(ctx, fmt.Sprintf("inventory/%d", generation)),
		"INSERT INTO workload_addresses (generation, workload, id, name, labels, addr, scope, from_time, to_time)")
	if err != nil {
		return fmt.Errorf("publish inventory %d: %w", generation, err)
	}
	for i := range inv.Workloads {
		w := &inv.Workloads[i]
		labels := map[string]string(w.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		for _, a := range w.Addresses {
			mapped := a.Addr.As16()
			err := batch.Append(generation, topology.WorkloadKey(w.ID), w.ID, w.Name, labels, mapped[:], uint32(a.Scope), epoch(a.From), epoch(a.To))
			if err != nil {
				return fmt.Errorf("publish inventory %d: workload %s: %w", generation, w.ID, err)
			}
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("publish inventory %d: %w", generation, err)
	}
	return nil
}

// epoch is t, or the first instant of 1970 for "unbounded".
func epoch(t time.Time) time.Time {
	if t.IsZero() {
		return flow.Time(0).Std()
	}
	return t.UTC()
}
