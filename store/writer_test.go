package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/store/engine"
)

func newWriter(t testing.TB, s *store.Store, opt store.WriterOptions) *store.Writer {
	t.Helper()
	w, err := s.NewWriter(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// send hands over records numbered from+1 to from+n, one at a time.
func send(t testing.TB, w *store.Writer, from, n int) {
	t.Helper()
	for i := from + 1; i <= from+n; i++ {
		r := record(uint64(i), i%24)
		r.Key.ServerPort = uint16(i % 7)
		if i%11 == 0 {
			r.Outcome = flow.Unanswered
		}
		if err := w.Records([]flow.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
}

// balanced checks the identity every row must satisfy.
func balanced(t testing.TB, w *store.Writer) store.Stats {
	t.Helper()
	s := w.Stats()
	if s.Received+s.Recovered != s.Pending+s.Spooled+s.Stored+s.Known+s.Drops.Total() {
		t.Errorf("rows are missing: %+v", s)
	}
	return s
}

// exactly checks that the store holds ids 1..n once each, and that the rollups
// count every one of them once.
func exactly(t testing.TB, s *store.Store, n int) {
	t.Helper()
	rows := all(t, s, n)
	seen := map[uint64]int{}
	for _, r := range rows {
		seen[r.ID]++
	}
	for i := 1; i <= n; i++ {
		if seen[uint64(i)] != 1 {
			t.Fatalf("record %d is stored %d times", i, seen[uint64(i)])
		}
	}
	if len(rows) != n {
		t.Errorf("%d records stored, want %d", len(rows), n)
	}
	rollupsMatch(t, s, rows)
}

func all(t testing.TB, s *store.Store, n int) []flow.Record {
	t.Helper()
	rows, err := s.Flows(context.Background(), store.FlowQuery{Limit: 10*n + 1000})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// rollupsMatch checks that edges and probes together count what flows holds.
func rollupsMatch(t testing.TB, s *store.Store, rows []flow.Record) {
	t.Helper()
	var established, attempts, wantEstablished, wantAttempts uint64
	edges, err := s.Edges(context.Background(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range edges {
		established += e.Flows
	}
	probes, err := s.Probes(context.Background(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range probes {
		attempts += p.Attempts
	}
	for _, r := range rows {
		if r.Established() {
			wantEstablished++
		} else {
			wantAttempts++
		}
	}
	if established != wantEstablished || attempts != wantAttempts {
		t.Errorf("edges count %d flows and probes %d, want %d and %d", established, attempts, wantEstablished, wantAttempts)
	}
}

func flush(t testing.TB, w *store.Writer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestOutageIsSpooledAndDrained(t *testing.T) {
	e := sharedEngine(t)
	dsn := databaseDSN(t, e)
	p, through := newProxy(t, dsn)
	s := openAt(t, dsn)
	behind, err := store.Open(t.Context(), store.Options{DSN: through})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	w := newWriter(t, behind, store.WriterOptions{SpoolDir: t.TempDir(), BatchRows: 100, FlushEvery: 20 * time.Millisecond})
	send(t, w, 0, 250)
	flush(t, w)
	p.set(fault{refuse: true})
	send(t, w, 250, 2000)
	waitFor(t, "everything on disk", func() bool { s := balanced(t, w); return s.Pending == 0 && s.Spooled == 2000 && !s.Healthy })
	if s := w.Stats(); s.Healthy || s.LastError == "" || s.SpoolBytes == 0 {
		t.Errorf("an outage looks like %+v", s)
	}
	p.set(fault{})
	flush(t, w)
	if s := balanced(t, w); s.Stored != 2250 || !s.Healthy || s.SpoolBytes != 0 {
		t.Errorf("after the outage: %+v", s)
	}
	exactly(t, s, 2250)
}

// Connections that die anywhere, also between the commit and its acknowledgement,
// neither lose nor repeat a row.
func TestCutConnectionsStoreOnce(t *testing.T) {
	e := sharedEngine(t)
	dsn := databaseDSN(t, e)
	p, through := newProxy(t, dsn)
	s := openAt(t, dsn)
	behind, err := store.Open(t.Context(), store.Options{DSN: through})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	w := newWriter(t, behind, store.WriterOptions{SpoolDir: t.TempDir(), BatchRows: 200, FlushEvery: 5 * time.Millisecond})
	rnd := rand.New(rand.NewPCG(1, 2))
	repeated := duplicates(t, s)
	const rounds, each = 25, 300
	for round := range rounds {
		switch round % 3 {
		case 0:
			p.set(fault{cutAfter: 300 + rnd.IntN(60000)})
		case 1:
			p.set(fault{loseAnswers: time.Duration(100+rnd.IntN(200)) * time.Millisecond})
		default:
			p.set(fault{})
		}
		send(t, w, round*each, each)
		time.Sleep(time.Duration(rnd.IntN(200)) * time.Millisecond)
	}
	p.set(fault{})
	flush(t, w)
	stats := balanced(t, w)
	repeated = duplicates(t, s) - repeated
	if stats.Retries == 0 || repeated == 0 {
		t.Error("no attempt failed, or none after its commit: the test tested nothing")
	}
	t.Logf("%d batches, %d failed attempts, %d blocks sent again after their commit", stats.Batches, stats.Retries, repeated)
	exactly(t, s, rounds*each)
}

// duplicates is how many blocks the engine was sent again and did not store again.
func duplicates(t testing.TB, s *store.Store) (n uint64) {
	t.Helper()
	err := connect(t, s).QueryRow(t.Context(), "SELECT sum(value) FROM system.events WHERE event = 'DuplicatedInsertedBlocks'").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A view that fails leaves the raw rows written and the rollup empty, and the
// insert failed; repeating it under the same token mends both.
func TestFailingViewConverges(t *testing.T) {
	s := open(t)
	conn := connect(t, s)
	if err := conn.Exec(t.Context(), `CREATE MATERIALIZED VIEW broken TO probes AS
		SELECT toStartOfHour(toDateTime(first, 'UTC')) AS hour, client, server, throwIf(id > 0, 'broken view') AS attempts FROM flows`); err != nil {
		t.Fatal(err)
	}
	w := newWriter(t, s, store.WriterOptions{SpoolDir: t.TempDir(), BatchRows: 100, FlushEvery: 10 * time.Millisecond})
	send(t, w, 0, 300)
	waitFor(t, "failed attempts", func() bool { return w.Stats().Retries >= 3 })
	if s := balanced(t, w); s.Stored != 0 {
		t.Errorf("%d rows count as stored although their rollup failed", s.Stored)
	}
	if err := conn.Exec(t.Context(), "DROP VIEW broken"); err != nil {
		t.Fatal(err)
	}
	flush(t, w)
	exactly(t, s, 300)
}

func TestEngineKilledWhileWriting(t *testing.T) {
	testenv.Need(t, "engine")
	e, stop, err := engine.Start(t.Context(), engine.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	s := openAt(t, e.DSN())
	w := newWriter(t, s, store.WriterOptions{SpoolDir: t.TempDir(), BatchRows: 500, FlushEvery: 10 * time.Millisecond})
	rnd := rand.New(rand.NewPCG(3, 4))
	const rounds, each = 8, 4000
	for round := range rounds {
		send(t, w, round*each, each)
		time.Sleep(time.Duration(rnd.IntN(150)) * time.Millisecond)
		for deadline := time.Now().Add(time.Minute); e.PID() == 0 && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond) // it is on its way back
		}
		if pid := e.PID(); pid != 0 {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	flush(t, w)
	balanced(t, w)
	if e.Starts() < 3 {
		t.Errorf("the engine was started %d times: the test tested little", e.Starts())
	}
	exactly(t, s, rounds*each)
}

func TestCloseLeavesRowsInTheSpoolAndTheNextWriterStoresThem(t *testing.T) {
	s := open(t)
	p, through := newProxy(t, store.WithDatabase(sharedEngine(t).DSN(), s.Database()))
	p.set(fault{refuse: true})
	behind, err := store.Open(t.Context(), store.Options{DSN: through})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	dir := t.TempDir()
	w := newWriter(t, behind, store.WriterOptions{SpoolDir: dir, BatchRows: 100, CloseTimeout: 50 * time.Millisecond})
	send(t, w, 0, 250)
	if err := w.Close(); !errors.Is(err, store.ErrSpooled) {
		t.Errorf("got %v, want ErrSpooled", err)
	}
	if err := w.Records([]flow.Record{record(1, 1)}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if s := balanced(t, w); s.Spooled != 250 {
		t.Errorf("after close: %+v", s)
	}
	again := newWriter(t, s, store.WriterOptions{SpoolDir: dir})
	flush(t, again)
	if s := balanced(t, again); s.Recovered != 250 || s.Stored != 250 {
		t.Errorf("next writer: %+v", s)
	}
	exactly(t, s, 250)
}

func TestMemoryOnlyWriterCountsWhatItLoses(t *testing.T) {
	s := open(t)
	p, through := newProxy(t, store.WithDatabase(sharedEngine(t).DSN(), s.Database()))
	p.set(fault{refuse: true})
	behind, err := store.Open(t.Context(), store.Options{DSN: through})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	w := newWriter(t, behind, store.WriterOptions{BatchRows: 100, MemoryRows: 500, CloseTimeout: 50 * time.Millisecond})
	send(t, w, 0, 5000)
	waitFor(t, "drops", func() bool { s := balanced(t, w); return s.Drops.Total() >= 4000 })
	w.Close()
	if s := balanced(t, w); s.Pending != 0 || s.Drops.Total() != 5000 {
		t.Errorf("after close: %+v", s)
	}
}

func TestTimesNoPartitionHasAreCounted(t *testing.T) {
	s := open(t)
	w := newWriter(t, s, store.WriterOptions{})
	never, far := record(1, 0), record(2, 0)
	never.First, far.First = 0, flow.TimeOf(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC))
	if err := w.Records([]flow.Record{never, far, record(3, 0)}); err != nil {
		t.Fatal(err)
	}
	flush(t, w)
	if s := balanced(t, w); s.Stored != 1 || s.Drops[flow.DropMalformed] != 2 {
		t.Errorf("%+v", s)
	}
}

// Rows of many days go into as many partitions, in batches that stay small enough.
func TestManyDays(t *testing.T) {
	s := open(t)
	w := newWriter(t, s, store.WriterOptions{})
	const days = 400
	for i := 1; i <= days; i++ {
		r := record(uint64(i), 24*i)
		if err := w.Records([]flow.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, w)
	edges, err := s.Edges(t.Context(), store.Query{})
	if err != nil || len(edges) != 1 || edges[0].Days != days || edges[0].Flows != days {
		t.Errorf("edges %+v, %v", edges, err)
	}
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// An engine that answers nothing and refuses nothing: attempts end, rows wait, and
// what it had taken before it froze is not taken twice.
func TestFrozenEngine(t *testing.T) {
	testenv.Need(t, "engine")
	e, stop, err := engine.Start(t.Context(), engine.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	s := openAt(t, e.DSN())
	w := newWriter(t, s, store.WriterOptions{SpoolDir: t.TempDir(), BatchRows: 200, FlushEvery: 10 * time.Millisecond, InsertTimeout: time.Second})
	send(t, w, 0, 1000)
	syscall.Kill(e.PID(), syscall.SIGSTOP)
	send(t, w, 1000, 3000)
	waitFor(t, "an attempt that ends and rows on disk", func() bool { s := balanced(t, w); return s.Retries > 0 && s.Pending == 0 })
	syscall.Kill(e.PID(), syscall.SIGCONT)
	waitFor(t, "everything in the store", func() bool { return balanced(t, w).Stored == 4000 })
	exactly(t, s, 4000)
}

// Questions and saves wait for an engine that is starting again.
func TestQuestionsSurviveADeadEngine(t *testing.T) {
	testenv.Need(t, "engine")
	e, stop, err := engine.Start(t.Context(), engine.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	s := openAt(t, e.DSN())
	write(t, s, record(1, 1))
	for i, ask := range []func() error{
		func() error {
			_, err := s.SaveDocument(t.Context(), store.Document{Kind: "policy", Name: "p"})
			return err
		},
		func() error { _, err := s.LoadDocument(t.Context(), "policy", "p", 0); return err },
		func() error { _, err := s.Edges(t.Context(), store.Query{}); return err },
		func() error { _, err := s.History(t.Context(), "policy", "p"); return err },
		func() error { return s.Migrate(t.Context()) },
	} {
		starts := e.Starts()
		syscall.Kill(e.PID(), syscall.SIGKILL)
		if err := ask(); err != nil {
			t.Errorf("question %d: %v", i, err)
		}
		waitFor(t, "the engine", func() bool { return e.Healthy() && e.Starts() > starts })
	}
}
