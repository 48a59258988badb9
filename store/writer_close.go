package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkhead/bulkhead/flow"
)

// Flush stores everything taken so far. When ctx ends first the error wraps
// ErrSpooled and says how much waits, and why.
func (w *Writer) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { w.mu.Lock(); w.changed.Broadcast(); w.mu.Unlock() })
	defer stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, table := range tableOrder {
		w.sealNow(table)
	}
	until := w.nextSeq
	for w.waiting(until) && ctx.Err() == nil && w.ctx.Err() == nil {
		w.changed.Wait()
	}
	if !w.waiting(until) {
		return nil
	}
	return fmt.Errorf("flush: %w: %d of them, %d more in memory: %w",
		ErrSpooled, w.stats.Spooled, w.stats.Pending, errors.Join(context.Cause(ctx), w.lastErr))
}

// waiting reports whether a batch numbered below until is still on its way, or one
// adopted from an earlier writer is. w.mu is held.
func (w *Writer) waiting(until uint64) bool {
	if w.writing != 0 && w.writing < until {
		return true
	}
	for _, list := range [][]*batch{w.sealed, w.queue} {
		for _, b := range list {
			if b.old || b.id.seq < until {
				return true
			}
		}
	}
	return false
}

// Close stores what it can within CloseTimeout and ends the writer. Rows that
// stay in the spool are reported as ErrSpooled; rows that had no spool to stay in
// are dropped and counted.
func (w *Writer) Close() error {
	w.mu.Lock()
	if w.closing {
		w.mu.Unlock()
		return nil
	}
	w.closing = true
	w.changed.Broadcast()
	w.mu.Unlock()

	ctx, cancel := context.WithTimeout(w.ctx, w.opt.CloseTimeout)
	defer cancel()
	err := w.Flush(ctx)
	w.cancel()
	w.joined.Wait()
	w.abandon()
	if w.spool != nil {
		err = errors.Join(err, w.spool.close())
	}
	if err != nil {
		return fmt.Errorf("close writer: %w", err)
	}
	return nil
}

// abandon writes what is still in memory to the spool, and counts what cannot be.
func (w *Writer) abandon() {
	w.mu.Lock()
	for _, table := range tableOrder {
		w.sealNow(table)
	}
	w.mu.Unlock()
	for b := w.takeSealed(); b != nil; b = w.takeSealed() {
		w.spoolBatch(b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.queue {
		if b.path == "" {
			w.drop(b, flow.DropStore)
		}
	}
	w.queue = nil
}
