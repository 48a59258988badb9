package store

import (
	"context"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// LocalEdges is the set of edges a server itself holds.
func (s *Store) LocalEdges(t *testing.T, table string) map[string]bool {
	t.Helper()
	rows, err := s.conn.Query(t.Context(), "SELECT DISTINCT toString(tuple("+edgeKey+")) FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var e string
		if err := rows.Scan(&e); err != nil {
			t.Fatal(err)
		}
		out[e] = true
	}
	return out
}

// InsertTwice sends records as one batch, two times under one token.
func (s *Store) InsertTwice(ctx context.Context, token string, rs []flow.Record) error {
	c := newFlowColumns()
	for i := range rs {
		c.append(&rs[i])
	}
	i := &inserter{store: s, timeout: time.Minute}
	defer i.close()
	for range 2 {
		if err := i.insert(ctx, token, c); err != nil {
			return err
		}
	}
	return nil
}

// AppendAll appends records to columns as often as the benchmark asks.
func AppendAll(b *testing.B, rs []flow.Record) {
	c := newFlowColumns()
	i := 0
	for b.Loop() {
		c.append(&rs[i])
		if i++; i == len(rs) {
			c.reset()
			i = 0
		}
	}
}
