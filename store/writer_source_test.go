package store_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/store"
)

var fileSource = [16]byte{1, 2, 3}

func sourceWriter(t *testing.T, s *store.Store, known store.Progress) *store.Writer {
	t.Helper()
	return newWriter(t, s, store.WriterOptions{Source: fileSource, Known: known, BatchRows: 100, SpoolDir: t.TempDir(), Wait: true})
}

// Two writers on one source at once, and a third afterwards, store each row once.
func TestTwoWritersOnOneSource(t *testing.T) {
	s := open(t)
	const n = 950
	var all sync.WaitGroup
	writers := []*store.Writer{sourceWriter(t, s, store.Progress{}), sourceWriter(t, s, store.Progress{})}
	for _, w := range writers {
		all.Go(func() {
			send(t, w, 0, n)
			if err := w.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	exactly(t, s, n)
	known := writers[0].Progress()
	if known.Batches != 10 || known != writers[1].Progress() {
		t.Errorf("progress %+v and %+v, want 10 batches alike", known, writers[1].Progress())
	}
	third := sourceWriter(t, s, known)
	send(t, third, 0, n)
	if err := third.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := balanced(t, third); st.Known != n || st.Stored != 0 || third.Progress() != known {
		t.Errorf("a third writer: %+v, %+v", st, third.Progress())
	}
	exactly(t, s, n)
}

// A writer that is interrupted leaves whole batches only, and the next goes on
// behind them.
func TestSourceIsContinued(t *testing.T) {
	s := open(t)
	first := sourceWriter(t, s, store.Progress{})
	send(t, first, 0, 450)
	first.Withdraw()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	known := first.Progress()
	if st := balanced(t, first); known.Batches != 4 || st.Stored != 400 || st.Received != 400 {
		t.Fatalf("interrupted: %+v, %+v", known, st)
	}
	second := sourceWriter(t, s, known)
	send(t, second, 0, 950)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if st := balanced(t, second); st.Known != 400 || st.Stored != 550 || second.Progress().Batches != 10 {
		t.Errorf("continued: %+v, %+v", st, second.Progress())
	}
	exactly(t, s, 950)
}

// A source that reads otherwise the second time is refused before anything of it is
// stored.
func TestSourceThatDiffers(t *testing.T) {
	s := open(t)
	first := sourceWriter(t, s, store.Progress{})
	send(t, first, 0, 300)
	if err := first.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := sourceWriter(t, s, first.Progress())
	var err error
	for i := range 500 {
		r := record(uint64(i+1), 0)
		r.First++ // a nanosecond later than the first time
		if err = second.Records([]flow.Record{r}); err != nil {
			break
		}
	}
	if !errors.Is(err, store.ErrDiffers) {
		t.Errorf("got %v, want ErrDiffers", err)
	}
	if st := second.Stats(); st.Stored != 0 || st.Spooled != 0 {
		t.Errorf("stored all the same: %+v", st)
	}
	exactly(t, s, 300)
}
