package link

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/flow"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func openQueue(t *testing.T, dir string, max int64) *Queue {
	t.Helper()
	q, err := OpenQueue(dir, max, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// put adds n records and writes them.
func put(q *Queue, n int) {
	list := make([]flow.Record, n)
	for i := range list {
		list[i] = flow.Record{ID: 1, First: 1, Last: 1, Key: flow.Key{Client: netip.IPv4Unspecified(), Server: netip.IPv4Unspecified()}}
	}
	_ = q.Records(list) // never fails
	q.Flush()
}

// adds up checks that every row is somewhere.
func addsUp(t *testing.T, q *Queue) QueueStats {
	t.Helper()
	st := q.Stats()
	lost := uint64(0)
	for _, n := range st.Lost {
		lost += n
	}
	if st.Received+st.Found != st.Sent+st.Waiting+lost {
		t.Errorf("rows are missing: %+v", st)
	}
	return st
}

func take(t *testing.T, q *Queue) (*fleet.Batch, func(bool)) {
	t.Helper()
	data, done, err := q.next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := fleet.DecodeBatch(data)
	if err != nil {
		t.Fatal(err)
	}
	return b, done
}

// TestQueueIsInOrderAndBounded: the oldest batches make room, counted, but never the
// one that is being sent; numbers only grow.
func TestQueueIsInOrderAndBounded(t *testing.T) {
	q := openQueue(t, t.TempDir(), 100_000)
	put(q, 10)
	first, done := take(t, q)
	for range 200 {
		put(q, 10)
	}
	st := addsUp(t, q)
	if st.Lost[LostFull] == 0 || q.bytes > q.max+20_000 {
		t.Errorf("%d bytes, %+v", q.bytes, st)
	}
	done(true)
	if st := addsUp(t, q); st.Sent != 10 {
		t.Errorf("%+v", st)
	}
	last := first.Seq
	for q.Stats().Waiting > 0 {
		b, done := take(t, q)
		if b.Seq <= last || b.Queue != first.Queue {
			t.Fatalf("batch %d of %s after %d", b.Seq, b.Queue, last)
		}
		last = b.Seq
		done(true)
	}
	addsUp(t, q)
}

// TestQueueSurvives: what waited is there after a restart, what was acknowledged is
// not, and numbers go on.
func TestQueueSurvives(t *testing.T) {
	dir := t.TempDir()
	q := openQueue(t, dir, 0)
	put(q, 1)
	put(q, 2)
	_, done := take(t, q)
	done(true)
	q = openQueue(t, dir, 0)
	b, _ := take(t, q)
	if b.Seq != 2 || b.Rows() != 2 {
		t.Errorf("batch %d of %d rows", b.Seq, b.Rows())
	}
	b, done = take(t, q) // without done it comes again
	if b.Seq != 2 {
		t.Errorf("batch %d", b.Seq)
	}
	done(true)
	q = openQueue(t, dir, 0)
	put(q, 1)
	if b, _ := take(t, q); b.Seq != 3 {
		t.Errorf("batch %d after an empty queue", b.Seq)
	}
	addsUp(t, q)
}

// TestQueueDamage: a torn file is set aside and counted, the others are delivered.
func TestQueueDamage(t *testing.T) {
	dir := t.TempDir()
	q := openQueue(t, dir, 0)
	put(q, 1)
	put(q, 1)
	if err := os.WriteFile(filepath.Join(dir, "1.batch"), []byte(`{"queue":`), 0o600); err != nil {
		t.Fatal(err)
	}
	q = openQueue(t, dir, 0)
	if b, _ := take(t, q); b.Seq != 2 {
		t.Errorf("batch %d", b.Seq)
	}
	if st := q.Stats(); st.Lost[LostDamaged] != 1 {
		t.Errorf("%+v", st)
	}
}

// TestQueueWithoutDisk: rows wait in memory up to a bound, beyond it they are
// counted, and the disk's return is enough.
func TestQueueWithoutDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	q := openQueue(t, dir, 0)
	if err := os.Rename(dir, dir+".gone"); err != nil {
		t.Fatal(err)
	}
	put(q, maxRows+100)
	if st := addsUp(t, q); st.Lost[LostDisk] != 100 || st.Waiting != maxRows {
		t.Errorf("%+v", st)
	}
	if err := os.Rename(dir+".gone", dir); err != nil {
		t.Fatal(err)
	}
	q.Flush()
	if len(q.files) != 4 || addsUp(t, q).Waiting != maxRows {
		t.Errorf("%d files, %+v", len(q.files), q.Stats())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for q.Stats().Waiting > 0 {
		_, done := take(t, q)
		done(false)
	}
	if _, _, err := q.next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("next of an empty queue: %v", err)
	}
	if st := addsUp(t, q); st.Lost[LostRefused] != maxRows {
		t.Errorf("%+v", st)
	}
}

// TestQueueNumbersAreNotUsedTwice: where it cannot be noted what was sent, a restart
// gives no new batch the number of an old one; the controller would take it for that.
func TestQueueNumbersAreNotUsedTwice(t *testing.T) {
	dir := t.TempDir()
	q := openQueue(t, dir, 0)
	put(q, 1)
	if err := os.Mkdir(filepath.Join(dir, "sent"), 0o700); err != nil { // which no file can replace
		t.Fatal(err)
	}
	_, done := take(t, q)
	done(true)
	addsUp(t, q)
	if err := os.Remove(filepath.Join(dir, "sent")); err != nil {
		t.Fatal(err)
	}
	q = openQueue(t, dir, 0)
	put(q, 2)
	if b, done := take(t, q); b.Seq != 1 {
		t.Errorf("batch %d first, want what may have been sent", b.Seq)
	} else {
		done(true)
	}
	if b, _ := take(t, q); b.Seq != 2 || b.Rows() != 2 {
		t.Errorf("batch %d of %d rows, want the new one under a new number", b.Seq, b.Rows())
	}
}
