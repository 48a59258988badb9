package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// WriterOptions say how rows are batched and where they wait for the store.
type WriterOptions struct {
	// SpoolDir is the folder under which batches wait, in a folder of this writer's
	// own; "" keeps batches in memory only, and then a killed program loses what it
	// had not stored. Batches that a dead writer left there are adopted.
	SpoolDir string
	// SpoolBytes bounds the spool; 0 is 2 GiB. Beyond it the oldest batch is
	// dropped and counted (flow.DropSpoolFull), or with Wait the caller waits.
	SpoolBytes int64
	// BatchRows is the size of a batch; 0 is 300,000. At most 1,000,000, so that a
	// batch stays one block of the server. A row of a batch of 100,000 costs the
	// engine twice what one of 300,000 does, where edges repeat from batch to batch.
	BatchRows int
	// MemoryRows bounds the rows held in memory beside the batch being filled: on
	// their way to the spool, waiting without one, or kept to be sent without
	// reading them back. A row takes about 150 bytes; 0 is two batches' worth, at
	// least 400,000.
	MemoryRows int
	// FlushEvery is how long a row waits for its batch to fill; 0 is one second. A
	// batch that is filling fast, with a fifteenth of BatchRows by then, may take three
	// times as long.
	FlushEvery time.Duration
	// Source names what all rows are read from, when it can be read again: a file.
	// Batches are then cut by the number of rows only, and batch n of a source has
	// the same token whoever sends it, so that two writers on one source, or one that
	// goes on where another was interrupted, store each row once. The rows must come
	// in the same order each time. Zero: no source; batches are this writer's own.
	Source [16]byte
	// Known is what Progress said when the source was last read; batches in it are
	// not sent again.
	Known Progress
	// Wait makes Records wait when the store falls behind or is away, instead of
	// spooling to the bound and dropping: right for an import, wrong for a tap.
	Wait bool
	// Sync flushes spool files to the disk, so that they survive a loss of power
	// and not only the death of the program.
	Sync bool
	// InsertTimeout bounds one attempt to store a batch, from the first byte to the
	// acknowledgement, so that a frozen server or a half-open connection holds it no
	// longer; 0 is two minutes.
	InsertTimeout time.Duration
	// CloseTimeout bounds the last attempt to store everything; 0 is 15 s.
	CloseTimeout time.Duration
}

const (
	maxBatchRows = 1_000_000
	maxBatchDays = 90 // partitions one batch may touch; ClickHouse makes a part of each
	maxFree      = 4  // column sets kept for the next batches
	maxBehind    = 3  // batches' worth of rows a waiting writer lets pile up, all still in memory
)

func (o WriterOptions) withDefaults() WriterOptions {
	if o.SpoolBytes == 0 {
		o.SpoolBytes = 2 << 30
	}
	if o.BatchRows == 0 {
		o.BatchRows = 300_000
	}
	o.BatchRows = min(o.BatchRows, maxBatchRows)
	if o.MemoryRows == 0 {
		o.MemoryRows = max(2*o.BatchRows, 400_000)
	}
	if o.FlushEvery == 0 {
		o.FlushEvery = time.Second
	}
	if o.InsertTimeout == 0 {
		o.InsertTimeout = 2 * time.Minute
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = 15 * time.Second
	}
	return o
}

// ErrClosed: the writer was closed, or its context ended.
var ErrClosed = errors.New("writer is closed")

// ErrSpooled: rows are in the spool and not yet in the store. The next writer on
// the same spool folder stores them.
var ErrSpooled = errors.New("rows wait in the spool")

// Writer takes rows and stores every one of them exactly once, or counts it as
// dropped with a reason. It is a pipeline: Records fills columns; full ones are
// written to the spool; an inserter sends them oldest first and deletes a file
// only when the store has acknowledged it. A batch is sent again after any doubt,
// under the same token. Safe for concurrent use.
type Writer struct {
	store *Store
	opt   WriterOptions
	id    [16]byte
	spool *spool // nil: memory only

	ctx    context.Context // ends at Close or with the caller's
	cancel context.CancelFunc
	joined sync.WaitGroup

	toSpool chan struct{} // cap 1: there is something to seal or to write
	toStore chan struct{} // cap 1: there is something to insert

	mu      sync.Mutex
	changed *sync.Cond // any of the below
	filling map[string]*filling
	sealed  []*batch // waiting to be written
	queue   []*batch // oldest first, waiting to be stored
	free    map[string][]columns
	nextSeq uint64
	writing uint64 // sequence number at the spooler, 0 for none
	flying  bool   // queue[0] is being sent
	closing bool
	healthy bool
	lastErr error
	stats   Stats
	source  *source // nil: none
}

// filling is a batch being filled.
type filling struct {
	cols  columns
	since time.Time
	days  map[int32]struct{} // distinct days of a flow batch
	day   int32              // of the row before
}

// batch is a sealed batch: in memory, on disk, or both.
type batch struct {
	id    batchID
	table string
	rows  int
	cols  columns // nil: on disk only
	path  string  // "": in memory only
	size  int64
	old   bool // adopted from a dead writer
}

// NewWriter starts a writer, adopting what a dead one left in the spool. ctx ends
// it like Close, but without waiting for the store.
func (s *Store) NewWriter(ctx context.Context, opt WriterOptions) (*Writer, error) {
	w := &Writer{store: s, opt: opt.withDefaults(), healthy: true,
		toSpool: make(chan struct{}, 1), toStore: make(chan struct{}, 1), // a wake-up each, never queued
		filling: map[string]*filling{}, free: map[string][]columns{}, nextSeq: 1}
	w.changed = sync.NewCond(&w.mu)
	if w.id = opt.Source; w.id != [16]byte{} {
		w.source = &source{known: opt.Known}
	} else if _, err := rand.Read(w.id[:]); err != nil {
		return nil, fmt.Errorf("new writer: %w", err)
	}
	if opt.SpoolDir != "" {
		spool, err := openSpool(opt.SpoolDir)
		if err != nil {
			return nil, fmt.Errorf("new writer: %w", err)
		}
		w.spool = spool
		w.adopt()
	}
	w.ctx, w.cancel = context.WithCancel(ctx)
	stop := context.AfterFunc(w.ctx, func() { w.mu.Lock(); w.changed.Broadcast(); w.mu.Unlock() })
	w.joined.Add(2)
	go func() { defer w.joined.Done(); defer stop(); w.runSpooler() }()
	go func() { defer w.joined.Done(); w.runInserter() }()
	return w, nil
}

// Records takes records; it does not keep the slice. With Wait it may block until
// the store has caught up. It fails only when the writer is closed.
func (w *Writer) Records(rs []flow.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range rs {
		if err := w.usable(); err != nil {
			return err
		}
		w.record(&rs[i])
	}
	return nil
}

// record adds one record. w.mu is held; it may be released and taken again.
func (w *Writer) record(r *flow.Record) {
	w.stats.Received++
	if r.First <= 0 || int64(r.First) >= maxFlowTime {
		w.stats.Drops.Add(flow.DropMalformed, 1) // a time no partition can have
		return
	}
	f := w.filler("flows")
	cols := f.cols.(*flowColumns)
	if day := int32(r.First / dayNanos); day != f.day || len(f.days) == 0 {
		f.days[day] = struct{}{}
		f.day = day
	}
	cols.append(r)
	w.stats.Pending++
	if len(cols.id) >= w.opt.BatchRows || len(f.days) >= maxBatchDays || cols.distinct() >= maxSensors {
		w.seal("flows")
	}
}

const (
	dayNanos    = flow.Time(24 * time.Hour)
	maxFlowTime = 4294967295 * int64(time.Second) // DateTime ends in 2106
)

// Names takes names; it does not keep the slice.
func (w *Writer) Names(ns []flow.Name) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range ns {
		if err := w.usable(); err != nil {
			return err
		}
		w.stats.Received++
		f := w.filler("names")
		cols := f.cols.(*nameColumns)
		cols.append(&ns[i])
		w.stats.Pending++
		if cols.rows() >= w.opt.BatchRows || cols.sensor.distinct() >= maxSensors {
			w.seal("names")
		}
	}
	return nil
}

// Violations takes violations; it does not keep the slice.
func (w *Writer) Violations(vs []policy.Violation) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range vs {
		if err := w.usable(); err != nil {
			return err
		}
		w.stats.Received++
		f := w.filler("violations")
		cols := f.cols.(*violationColumns)
		cols.append(&vs[i])
		w.stats.Pending++
		if cols.rows() >= w.opt.BatchRows || cols.host.distinct() >= maxSensors {
			w.seal("violations")
		}
	}
	return nil
}

func (w *Writer) usable() error {
	if w.source != nil && w.source.err != nil {
		return w.source.err
	}
	if w.closing || w.ctx.Err() != nil {
		return ErrClosed
	}
	return nil
}

// filler returns the batch of table being filled. w.mu is held.
func (w *Writer) filler(table string) *filling {
	f := w.filling[table]
	if f == nil {
		f = &filling{cols: w.columnsFor(table), since: time.Now(), days: map[int32]struct{}{}}
		w.filling[table] = f
	}
	return f
}

func (w *Writer) columnsFor(table string) columns {
	if list := w.free[table]; len(list) > 0 {
		c := list[len(list)-1]
		w.free[table] = list[:len(list)-1]
		return c
	}
	c, err := newColumns(tableCode[table])
	if err != nil {
		panic(err) // the table's name is ours
	}
	return c
}

// recycle keeps columns for the next batch. w.mu is held.
func (w *Writer) recycle(c columns) {
	if c == nil || len(w.free[c.table()]) >= maxFree {
		return
	}
	c.reset()
	w.free[c.table()] = append(w.free[c.table()], c)
}

// seal closes the batch of table and hands it to the spooler, waiting for room
// where the options say so. w.mu is held, released while waiting.
func (w *Writer) seal(table string) {
	f := w.filling[table]
	if f == nil || f.cols.rows() == 0 {
		return
	}
	delete(w.filling, table)
	b := w.cut(table, f)
	if b == nil {
		return
	}
	w.sealed = append(w.sealed, b)
	notify(w.toSpool)
	for w.usable() == nil && w.mustWait() {
		w.changed.Wait()
	}
	if !w.opt.Wait && rowsOf(w.sealed) > w.opt.MemoryRows {
		w.dropNewest(b)
	}
}

// mustWait reports whether the caller of a waiting writer has to wait.
func (w *Writer) mustWait() bool {
	return w.opt.Wait && (rowsOf(w.sealed) > w.opt.MemoryRows || rowsOf(w.queue) > maxBehind*w.opt.BatchRows)
}

func rowsOf(list []*batch) (n int) {
	for _, b := range list {
		n += b.rows
	}
	return n
}

// dropNewest gives up b, which the spooler has not taken: the disk is too slow.
func (w *Writer) dropNewest(b *batch) {
	last := len(w.sealed) - 1
	if last < 0 || w.sealed[last] != b {
		return
	}
	w.sealed = w.sealed[:last]
	w.drop(b, flow.DropQueueFull)
	w.recycle(b.cols)
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
