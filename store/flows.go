package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/bulkhead/bulkhead/flow"
)

// FlowQuery selects raw records, newest first.
type FlowQuery struct {
	Query
	// Outcomes, when not empty, keeps these outcomes only.
	Outcomes []flow.Outcome
	// Limit is how many records come back at most; 0 is 1000.
	Limit int
}

// Flows returns raw records, newest first.
func (s *Store) Flows(ctx context.Context, q FlowQuery) ([]flow.Record, error) {
	var w where
	if q.Since != 0 {
		w.add("first >= " + instant(q.Since))
	}
	if q.Until != 0 {
		w.add("first < " + instant(q.Until))
	}
	if len(q.Sensors) > 0 {
		w.add("sensor IN " + list(q.Sensors, quote))
	}
	if len(q.Outcomes) > 0 {
		w.add("outcome IN " + list(q.Outcomes, number[flow.Outcome]))
	}
	q.parties(&w)
	if q.Limit <= 0 {
		q.Limit = 1000
	}
	cols := newFlowColumns()
	sql := "SELECT " + names(cols.all()) + " FROM flows WHERE " + w.String() +
		" ORDER BY first DESC, id, split LIMIT " + strconv.Itoa(q.Limit)
	var records []flow.Record
	err := s.read(ctx, sql, cols.result(), func(rows int) error {
		for i := range rows {
			records = append(records, cols.record(i))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read flows: %w", err)
	}
	return records, nil
}

// Window returns when the first and the last flow in the store were seen, both 0
// when there is none.
func (s *Store) Window(ctx context.Context) (first, last flow.Time, err error) {
	const sql = `SELECT min(f), max(l) FROM (
  SELECT toUnixTimestamp64Nano(min(first)) AS f, toUnixTimestamp64Nano(max(last)) AS l FROM edges HAVING count() > 0
  UNION ALL
  SELECT toUnixTimestamp64Nano(min(first)) AS f, toUnixTimestamp64Nano(max(last)) AS l FROM probes HAVING count() > 0)`
	var f, l int64
	if err := s.get(ctx, sql, nil, &f, &l); err != nil {
		return 0, 0, fmt.Errorf("read window: %w", err)
	}
	return flow.Time(f), flow.Time(l), nil
}

// Rows is the number of raw records in the store, repetitions and expired ones
// excluded as far as they have been removed. It is cheap.
func (s *Store) Rows(ctx context.Context) (rows uint64, err error) {
	if err := s.get(ctx, "SELECT count() FROM flows", nil, &rows); err != nil {
		return 0, fmt.Errorf("count flows: %w", err)
	}
	return rows, nil
}

// trafficTables are the tables that hold what was seen, not what people decided.
var trafficTables = []string{"flows", "edges", "edges_daily", "probes", "names", "violations"}

// ForgetTraffic removes everything that was seen and keeps every document.
func (s *Store) ForgetTraffic(ctx context.Context) error {
	for _, table := range trafficTables {
		if err := s.exec(ctx, "TRUNCATE TABLE "+s.local(table)+s.onCluster()); err != nil {
			return fmt.Errorf("forget traffic: %s: %w", table, err)
		}
	}
	return nil
}
