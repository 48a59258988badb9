package store

import "github.com/bulkhead/bulkhead/flow"

// Stats says what became of the rows a writer took. At every moment
//
//	Received + Recovered = Pending + Spooled + Stored + Known + Drops.Total()
type Stats struct {
	Received  uint64     // rows handed to the writer
	Recovered uint64     // rows found in the spool at the start
	Pending   uint64     // rows in memory only
	Spooled   uint64     // rows on disk, not yet acknowledged by the store
	Stored    uint64     // rows the store has acknowledged
	Known     uint64     // rows of batches that an earlier writer on the same source stored
	Drops     flow.Drops // rows given up, by reason

	Batches uint64 // batches the store has acknowledged
	Retries uint64 // failed attempts to store a batch

	SpoolBytes int64  // size of the spool
	Healthy    bool   // the last attempt succeeded, or there was none
	LastError  string // of the last failed attempt; "" when healthy
}

// Stats returns a consistent snapshot.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	s.Healthy = w.healthy
	if w.lastErr != nil && !w.healthy {
		s.LastError = w.lastErr.Error()
	}
	return s
}

// drop counts a batch that is given up. w.mu is held.
func (w *Writer) drop(b *batch, why flow.DropReason) {
	w.stats.Drops.Add(why, uint64(b.rows))
	if b.path == "" {
		w.stats.Pending -= uint64(b.rows)
	} else {
		w.stats.Spooled -= uint64(b.rows)
		w.stats.SpoolBytes -= b.size
	}
	w.changed.Broadcast()
	w.store.log.Warn("rows dropped", "table", b.table, "rows", b.rows, "reason", why.String())
}
