package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
)

// Progress is how far the rows of a source are in the store.
type Progress struct {
	// Batches, from the first, are stored.
	Batches uint64
	// Chain is a checksum of the rows in them: of each flow its identity, split
	// and start; of everything else its number.
	Chain uint64
}

// ErrDiffers: a source that is read again gives other rows than the first time, so
// that nobody can say which of them are in the store.
var ErrDiffers = errors.New("reading again gives other rows than the first time")

// source is what a writer knows of the one source it reads.
type source struct {
	known  Progress // stored by an earlier writer
	chains []uint64 // of batch i+1
	stored uint64   // own batches the store has, or that were given up
	err    error
}

var chainTable = crc64.MakeTable(crc64.ECMA)

// chain continues a checksum with the rows of c.
func chain(sum uint64, c columns) uint64 {
	var b [20]byte
	f, ok := c.(*flowColumns)
	if !ok {
		binary.LittleEndian.PutUint64(b[:], uint64(c.rows()))
		return crc64.Update(sum, chainTable, append([]byte(c.table()), b[:8]...))
	}
	for i := range f.id {
		binary.LittleEndian.PutUint64(b[:], f.id[i])
		binary.LittleEndian.PutUint64(b[8:], uint64(f.first.ns[i]))
		binary.LittleEndian.PutUint32(b[16:], f.split[i])
		sum = crc64.Update(sum, chainTable, b[:])
	}
	return sum
}

// cut makes a batch of what was filled and gives it the next number. It returns nil
// when an earlier writer has stored the batch of that number. w.mu is held.
func (w *Writer) cut(table string, f *filling) *batch {
	b := &batch{id: batchID{w.id, w.nextSeq}, table: table, rows: f.cols.rows(), cols: f.cols}
	w.nextSeq++
	s := w.source
	if s == nil {
		return b
	}
	last := uint64(0)
	if n := len(s.chains); n > 0 {
		last = s.chains[n-1]
	}
	s.chains = append(s.chains, chain(last, f.cols))
	if b.id.seq == s.known.Batches && s.chains[len(s.chains)-1] != s.known.Chain {
		s.err = fmt.Errorf("%w: its first %d batches do not", ErrDiffers, s.known.Batches)
	}
	if b.id.seq > s.known.Batches {
		return b
	}
	s.stored = b.id.seq
	w.stats.Pending -= uint64(b.rows)
	w.stats.Known += uint64(b.rows)
	w.recycle(b.cols)
	w.changed.Broadcast()
	return nil
}

// settled notes that the store has b. Own batches are stored in order. w.mu is held.
func (w *Writer) settled(b *batch) {
	if w.source != nil && !b.old {
		w.source.stored = max(w.source.stored, b.id.seq)
	}
}

// Progress is how far the source is in the store: keep it, and give it to the next
// writer on the same source as WriterOptions.Known. It is zero without a source.
func (w *Writer) Progress() Progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.source
	switch {
	case s == nil:
		return Progress{}
	case s.stored <= s.known.Batches || s.stored > uint64(len(s.chains)):
		return s.known
	}
	return Progress{Batches: s.stored, Chain: s.chains[s.stored-1]}
}

// Withdraw forgets the rows of batches that are not full, as if they had never been
// handed over: the source was not read to its end, and a batch that is cut short
// would not be the one that reading it again makes.
func (w *Writer) Withdraw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, table := range tableOrder {
		f := w.filling[table]
		if f == nil {
			continue
		}
		delete(w.filling, table)
		n := uint64(f.cols.rows())
		w.stats.Received -= n
		w.stats.Pending -= n
		w.recycle(f.cols)
	}
}
