package store_test

import (
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/store"
)

// TestInsertOnce: rows under one token are stored once, however often they are
// sent, also when they take several blocks.
func TestInsertOnce(t *testing.T) {
	s := open(t)
	var records []flow.Record
	for i := range 200 { // more days than a block may touch
		r := record(uint64(i+1), 0)
		r.First = flow.TimeOf(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, i))
		r.Last = r.First
		records = append(records, r)
	}
	violations := []policy.Violation{{Time: records[0].First, Client: flow.Party{Addr: records[0].Key.Client},
		Server: flow.Party{Addr: records[0].Key.Server}, Service: records[0].Key.Service(), Outcome: policy.Blocked, Policy: "p", Host: "h"}}
	for range 3 {
		if err := s.InsertOnce(t.Context(), "token-1", records, violations); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.InsertOnce(t.Context(), "token-2", records[:1], nil); err != nil {
		t.Fatal(err)
	}
	rows, err := s.Rows(t.Context())
	if err != nil || rows != 201 {
		t.Errorf("%d rows, %v; want 201", rows, err)
	}
	list, err := s.Violations(t.Context(), store.ViolationQuery{})
	if err != nil || len(list) != 1 {
		t.Errorf("%d violations, %v; want 1", len(list), err)
	}
}
