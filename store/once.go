package store

import (
	"context"
	"fmt"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// InsertOnce stores rows as blocks under a token and returns when the server has
// them; the same rows again under the same token add nothing. The caller keeps the
// rows until then. Bad reports an error that lies in the rows: trying again will
// fail the same way.
func (s *Store) InsertOnce(ctx context.Context, token string, records []flow.Record, violations []policy.Violation) error {
	in := &inserter{store: s, timeout: 2 * time.Minute}
	defer in.close()
	block := 0
	send := func(c columns) error {
		block++
		if c.rows() == 0 {
			return nil
		}
		return in.insert(ctx, fmt.Sprintf("%s-%s-%d", token, c.table(), block), c)
	}
	for start := 0; start < len(records); {
		cols, n := flowBlock(records[start:])
		if err := send(cols); err != nil {
			return err
		}
		start += n
	}
	block = 0
	for start := 0; start < len(violations); start += maxSensors {
		cols := newViolationColumns()
		for i := start; i < min(start+maxSensors, len(violations)); i++ {
			cols.append(&violations[i])
		}
		if err := send(cols); err != nil {
			return err
		}
	}
	return nil
}

// flowBlock takes as many records as one block may hold: of few enough days and
// names. It depends on nothing but the records, so that a block sent again is the
// same block.
func flowBlock(records []flow.Record) (cols *flowColumns, n int) {
	cols = newFlowColumns()
	days := map[int32]struct{}{}
	for i := range records {
		r := &records[i]
		days[int32(r.First/dayNanos)] = struct{}{}
		if len(days) > maxBatchDays || i >= maxSensors { // no more rows than names may differ
			return cols, i
		}
		cols.append(r)
	}
	return cols, len(records)
}

// Storable reports whether a record's time is one that the store can keep.
func Storable(r *flow.Record) bool { return r.First > 0 && int64(r.First) < maxFlowTime }

// Bad reports whether the store refused an insert for what is in it.
func Bad(err error) bool { return inBatch(err) }
