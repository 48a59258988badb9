package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
)

const (
	firstRetry = 50 * time.Millisecond
	maxRetry   = 5 * time.Second
	// refusals is how often the store may refuse a batch for a reason that lies in
	// the batch before it is set aside, so that it does not block the others.
	refusals = 5
)

// runInserter sends queued batches in order until the writer ends.
func (w *Writer) runInserter() {
	conn := &inserter{store: w.store, timeout: w.opt.InsertTimeout}
	defer conn.close()
	for {
		b := w.head()
		if b == nil {
			select {
			case <-w.ctx.Done():
				return
			case <-w.toStore:
			}
			continue
		}
		w.deliver(conn, b)
		if w.ctx.Err() != nil {
			return
		}
	}
}

func (w *Writer) head() *batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 || w.ctx.Err() != nil {
		return nil
	}
	w.flying = true
	return w.queue[0]
}

// deliver sends one batch until the store has it, it proves undeliverable, or the
// writer ends.
func (w *Writer) deliver(conn *inserter, b *batch) {
	wait, refused := firstRetry, 0
	for {
		err := w.attempt(conn, b)
		switch {
		case err == nil:
			w.finish(b, flow.DropNone, nil)
			return
		case errors.Is(err, errCorrupt):
			w.finish(b, flow.DropSpoolDamaged, err)
			return
		case w.ctx.Err() != nil:
			w.mu.Lock()
			w.flying = false
			w.mu.Unlock()
			return
		case inBatch(err):
			if refused++; refused >= refusals {
				w.finish(b, flow.DropStore, err)
				return
			}
		}
		w.failed(err)
		select {
		case <-w.ctx.Done():
		case <-time.After(wait):
		}
		wait = min(wait*2, maxRetry)
	}
}

func (w *Writer) attempt(conn *inserter, b *batch) error {
	cols := b.cols
	if cols == nil {
		_, read, err := readSpoolFile(b.path)
		if err != nil {
			return err
		}
		cols = read
	}
	return conn.insert(w.ctx, b.id.token(), cols)
}

func (w *Writer) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Retries++
	if w.healthy {
		w.store.log.Warn("the store does not take rows; they wait in the spool", "error", err)
	}
	w.healthy, w.lastErr = false, err
	w.changed.Broadcast()
}

// finish takes the batch at the head off the queue: stored, or given up for a
// reason.
func (w *Writer) finish(b *batch, why flow.DropReason, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying = false
	if len(w.queue) > 0 && w.queue[0] == b {
		w.queue = append(w.queue[:0], w.queue[1:]...)
	}
	if why != flow.DropNone {
		w.drop(b, why)
		if b.path != "" {
			w.store.log.Error("batch set aside", "file", w.spool.setAside(b.path), "error", cause)
		}
		w.recycle(b.cols)
		return
	}
	if b.path == "" {
		w.stats.Pending -= uint64(b.rows)
	} else {
		os.Remove(b.path) // if it stays, sending it again adds nothing: its token is known
		w.stats.Spooled -= uint64(b.rows)
		w.stats.SpoolBytes -= b.size
	}
	w.stats.Stored += uint64(b.rows)
	w.stats.Batches++
	w.settled(b)
	if !w.healthy {
		w.store.log.Info("the store takes rows again", "spooled", w.stats.Spooled)
	}
	w.healthy, w.lastErr = true, nil
	w.recycle(b.cols)
	w.changed.Broadcast()
}

// inBatch reports whether the server's answer blames the batch rather than its own
// state: a retry of the same bytes will fail the same way.
func inBatch(err error) bool {
	var ex *ch.Exception
	if !errors.As(err, &ex) {
		return false
	}
	switch ex.Code {
	case proto.ErrTypeMismatch, proto.ErrNoSuchColumnInTable, proto.ErrThereIsNoColumn, proto.ErrCannotConvertType,
		proto.ErrIncorrectData, proto.ErrUnknownType, proto.ErrSizesOfColumnsDoesntMatch, proto.ErrTooManyPartitions:
		return true
	}
	return false
}

// inserter owns one connection and sends batches over it.
type inserter struct {
	store   *Store
	timeout time.Duration
	client  *ch.Client
	hangUp  context.CancelFunc // cuts the connection
}

// bulkSettings are insertSettings for ch-go. None is marked important, so that a
// server that lacks one ignores it.
func bulkSettings(token string) []ch.Setting {
	var out []ch.Setting
	for _, key := range sortedKeys(insertSettings) {
		out = append(out, ch.Setting{Key: key, Value: fmt.Sprint(insertSettings[key])})
	}
	return append(out, ch.Setting{Key: "insert_deduplication_token", Value: token, Important: true})
}

// insert sends columns as one block under a token and returns once the server has
// written it and what its views made of it.
//
// The token is the query's id, too: a server that still works on the batch for a
// sender that died, or for another of the same file, refuses it until it is done
// (QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING). Two at once could each find the batch new
// in one of the tables that the views write. It answers a moment before it lets go of
// the id, so a refusal is waited out for releaseWithin.
func (i *inserter) insert(ctx context.Context, token string, cols columns) error {
	for began := time.Now(); ; {
		err := i.send(ctx, token, cols)
		if !stillRunning(err) || time.Since(began) > releaseWithin || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(releaseWithin / 50):
		}
	}
}

const releaseWithin = time.Second

func stillRunning(err error) bool {
	var ex *ch.Exception
	return errors.As(err, &ex) && ex.Code == proto.ErrQueryWithSameIDIsAlreadyRunning
}

// send is one try of insert.
func (i *inserter) send(ctx context.Context, token string, cols columns) error {
	if i.client == nil || i.client.IsClosed() {
		if err := i.connect(ctx); err != nil {
			return err
		}
	}
	late := time.AfterFunc(i.timeout, i.hangUp)
	defer late.Stop()
	in := cols.input()
	err := i.client.Do(ctx, ch.Query{QueryID: "bulkhead-" + token, Body: in.Into(cols.table()), Input: in, Settings: bulkSettings(token)})
	if err != nil {
		i.close() // its state is unknown, and so is the batch's: the token settles it
		return fmt.Errorf("insert %d rows into %s: %w", cols.rows(), cols.table(), err)
	}
	return nil
}

func (i *inserter) connect(ctx context.Context) error {
	i.close()
	life, hangUp := context.WithCancel(ctx)
	client, err := i.store.dial(life)
	if err != nil {
		hangUp()
		return err
	}
	i.client, i.hangUp = client, hangUp
	return nil
}

func (i *inserter) close() {
	if i.client != nil {
		i.hangUp()
		_ = i.client.Close() // nothing is in flight that the token does not cover
		i.client = nil
	}
}
