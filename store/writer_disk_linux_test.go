package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/store/engine"
)

func TestSpoolBoundDropsOldestAndCounts(t *testing.T) {
	s := open(t)
	p, through := newProxy(t, store.WithDatabase(sharedEngine(t).DSN(), s.Database()))
	p.set(fault{refuse: true})
	behind, err := store.Open(t.Context(), store.Options{DSN: through})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	w := newWriter(t, behind, store.WriterOptions{SpoolDir: t.TempDir(), SpoolBytes: 100 << 10, BatchRows: 100, FlushEvery: 10 * time.Millisecond})
	for i := range 20 {
		send(t, w, i*100, 100)
		waitFor(t, "batch on disk", func() bool { return w.Stats().Pending == 0 })
	}
	before := balanced(t, w)
	dropped := before.Drops[flow.DropSpoolFull]
	if dropped == 0 || before.SpoolBytes > 100<<10 || before.Spooled+dropped != 2000 {
		t.Fatalf("at the bound: %+v", before)
	}
	p.set(fault{})
	flush(t, w)
	if s := balanced(t, w); s.Stored != before.Spooled {
		t.Errorf("%d rows stored, %d were in the spool", s.Stored, before.Spooled)
	}
	for _, r := range all(t, s, 2000) {
		// The head of the queue may have been in flight and so kept.
		if r.ID <= dropped && r.ID > 100 {
			t.Fatalf("record %d was kept although older than %d dropped ones", r.ID, dropped)
		}
	}
}

// A spool on a full disk: nothing hangs, every row is stored or counted.
func TestSpoolDiskFull(t *testing.T) {
	testenv.Need(t, "engine", "root")
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		testenv.Unable(t, "mount tmpfs: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := open(t)
	p, through := newProxy(t, store.WithDatabase(sharedEngine(t).DSN(), s.Database()))
	p.set(fault{refuse: true})
	behind, err := store.Open(t.Context(), store.Options{DSN: through})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	w := newWriter(t, behind, store.WriterOptions{SpoolDir: dir, BatchRows: 1000, MemoryRows: 4000, FlushEvery: 10 * time.Millisecond})
	const n = 30_000 // about 4.5 MB
	send(t, w, 0, n)
	waitFor(t, "drops", func() bool { s := balanced(t, w); return s.Drops.Total() > 0 && s.Pending < 5000 })
	p.set(fault{})
	flush(t, w)
	stats := balanced(t, w)
	rows := all(t, s, n)
	if stats.Stored+stats.Drops.Total() != n || uint64(len(rows)) != stats.Stored || stats.Stored == 0 {
		t.Errorf("%d rows in the store, %+v", len(rows), stats)
	}
	rollupsMatch(t, s, rows)
	send(t, w, n, 100) // and it goes on working
	flush(t, w)
}

// An engine on a full disk: rows wait and arrive once when there is room again.
func TestEngineDiskFull(t *testing.T) {
	testenv.Need(t, "engine", "root")
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96m"); err != nil {
		testenv.Unable(t, "mount tmpfs: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	e, stop, err := engine.Start(t.Context(), engine.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	s := openAt(t, e.DSN())
	w := newWriter(t, s, store.WriterOptions{SpoolDir: t.TempDir(), BatchRows: 1000, FlushEvery: 10 * time.Millisecond})
	send(t, w, 0, 2000)
	flush(t, w)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 97<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	send(t, w, 2000, 5000)
	waitFor(t, "failed attempts", func() bool { return w.Stats().Retries >= 3 })
	balanced(t, w)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	flush(t, w)
	exactly(t, s, 7000)
}
