package store

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// adopt queues what is in the spool from before. Files whose header cannot be
// read count as nothing, for nobody knows how many rows they held; they are set
// aside.
func (w *Writer) adopt() {
	files, err := w.spool.files()
	if err != nil {
		w.store.log.Warn("cannot read the spool", "dir", w.spool.dir, "error", err)
		return
	}
	for _, path := range files {
		head, err := readSpoolHeader(path)
		info, statErr := os.Stat(path)
		cols, codeErr := newColumns(head.code)
		if err = errors.Join(err, statErr, codeErr); err != nil {
			w.store.log.Warn("spool file set aside", "file", w.spool.setAside(path), "error", err)
			continue
		}
		b := &batch{id: head.id, table: cols.table(), rows: int(head.rows), path: path, size: info.Size(), old: true}
		w.queue = append(w.queue, b)
		w.stats.Recovered += uint64(b.rows)
		w.stats.Spooled += uint64(b.rows)
		w.stats.SpoolBytes += b.size
	}
	notify(w.toStore)
}

// runSpooler seals what is due and writes sealed batches to the spool, until the
// writer ends.
func (w *Writer) runSpooler() {
	tick := time.NewTicker(max(w.opt.FlushEvery/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-tick.C:
			w.sealDue()
		case <-w.toSpool:
		}
		for b := w.takeSealed(); b != nil; b = w.takeSealed() {
			w.spoolBatch(b)
		}
	}
}

// A batch that has a fillingFast-th of its rows when FlushEvery is over gets
// fillingPatience times as long: some 20,000 rows a second, where the size of batches
// decides what the engine costs.
const (
	fillingFast     = 15
	fillingPatience = 3
)

// sealDue seals batches that have waited long enough.
func (w *Writer) sealDue() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.source != nil {
		return // batches are cut by rows only
	}
	for _, table := range tableOrder {
		f := w.filling[table]
		if f == nil {
			continue
		}
		wait := w.opt.FlushEvery
		if f.cols.rows() >= w.opt.BatchRows/fillingFast {
			wait *= fillingPatience
		}
		if time.Since(f.since) >= wait {
			w.sealNow(table)
		}
	}
}

// tableOrder is the order in which tables are sealed.
var tableOrder = []string{"flows", "names", "violations"}

// sealNow is seal for the spooler's own use: it never waits. w.mu is held.
func (w *Writer) sealNow(table string) {
	f := w.filling[table]
	if f == nil || f.cols.rows() == 0 {
		return
	}
	delete(w.filling, table)
	if b := w.cut(table, f); b != nil {
		w.sealed = append(w.sealed, b)
		notify(w.toSpool)
	}
}

func (w *Writer) takeSealed() *batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sealed) == 0 {
		return nil
	}
	b := w.sealed[0]
	w.sealed = append(w.sealed[:0], w.sealed[1:]...)
	w.writing = b.id.seq
	w.changed.Broadcast()
	return b
}

// spoolBatch writes b to disk and queues it. When the disk does not take it, b is
// queued in memory as long as few others are, and dropped otherwise.
func (w *Writer) spoolBatch(b *batch) {
	var path string
	var size int64
	var err error
	if w.spool != nil {
		path = w.spool.path(b.id, time.Now())
		for {
			size, err = writeSpoolFile(path, b.id, b.cols, w.opt.Sync)
			if err == nil || !noSpace(err) || !w.evictForSpace() {
				break
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.writing = 0; w.changed.Broadcast(); notify(w.toStore) }()
	if w.spool == nil || err != nil {
		if err != nil {
			w.store.log.Warn("cannot write the spool", "file", path, "error", err)
		}
		w.queueInMemory(b)
		return
	}
	b.path, b.size = path, size
	w.stats.Pending -= uint64(b.rows)
	w.stats.Spooled += uint64(b.rows)
	w.stats.SpoolBytes += size
	if w.resident()+b.rows > w.opt.MemoryRows {
		w.recycle(b.cols)
		b.cols = nil
	}
	w.queue = append(w.queue, b)
	for w.stats.SpoolBytes > w.opt.SpoolBytes && !w.opt.Wait && w.evictOldest() {
	}
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// queueInMemory queues a batch that has no file. Without room, a waiting writer
// waits for the store, and another gives the batch up. w.mu is held.
func (w *Writer) queueInMemory(b *batch) {
	for w.opt.Wait && w.ctx.Err() == nil && w.resident()+b.rows > w.opt.MemoryRows {
		w.changed.Wait()
	}
	if w.resident()+b.rows > w.opt.MemoryRows {
		w.drop(b, flow.DropSpoolFull)
		w.recycle(b.cols)
		return
	}
	w.queue = append(w.queue, b)
}

// resident counts the rows of queued batches that are held in memory. w.mu is held.
func (w *Writer) resident() (n int) {
	for _, b := range w.queue {
		if b.cols != nil {
			n += b.rows
		}
	}
	return n
}

// evictForSpace makes room on a full disk while the store is away: the oldest
// batch goes. It reports false when nothing could go, or should, because the store
// is draining the spool anyway.
func (w *Writer) evictForSpace() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.healthy && !w.opt.Wait && w.evictOldest()
}

// evictOldest drops the oldest batch on disk that is not being sent. w.mu is held.
func (w *Writer) evictOldest() bool {
	for i, b := range w.queue {
		if b.path == "" || i == 0 && w.flying {
			continue
		}
		os.Remove(b.path)
		w.drop(b, flow.DropSpoolFull)
		w.recycle(b.cols)
		w.queue = append(w.queue[:i], w.queue[i+1:]...)
		return true
	}
	return false
}
