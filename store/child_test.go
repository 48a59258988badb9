package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store"
)

// childVariable makes this test binary a writer that runs until it is killed:
// DSN, spool folder and first record number, separated by spaces.
const childVariable = "BULKHEAD_TEST_WRITER"

// childMain runs this process as a test's own child, if it is one.
func childMain() bool {
	args := strings.Fields(os.Getenv(childVariable))
	if len(args) != 3 {
		return false
	}
	if err := writeForEver(args[0], args[1], args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// writeForEver writes numbered records and prints how many of them are on disk or
// stored: the records it answers for.
func writeForEver(dsn, spool, from string) error {
	next, err := strconv.ParseUint(from, 10, 64)
	if err != nil {
		return err
	}
	s, err := store.Open(context.Background(), store.Options{DSN: dsn})
	if err != nil {
		return err
	}
	w, err := s.NewWriter(context.Background(), store.WriterOptions{SpoolDir: spool, BatchRows: 100, FlushEvery: 20 * time.Millisecond})
	if err != nil {
		return err
	}
	first := next
	for {
		for range 50 {
			r := record(next, int(next%24))
			r.Key.ServerPort = uint16(next % 7)
			if err := w.Records([]flow.Record{r}); err != nil {
				return err
			}
			next++
		}
		st := w.Stats()
		if st.Drops != (flow.Drops{}) {
			return errors.New("rows were dropped")
		}
		// Batches are sealed and spooled in order, so what is not pending is the
		// first records.
		fmt.Println(first+st.Received-st.Pending, next)
		time.Sleep(10 * time.Millisecond)
	}
}

// A writer killed at any moment leaves every record it answered for either in the
// store or in the spool, and none of them twice.
func TestWriterKilledWhileWriting(t *testing.T) {
	s := open(t)
	dsn := store.WithDatabase(sharedEngine(t).DSN(), s.Database())
	spool := t.TempDir()
	rnd := rand.New(rand.NewPCG(5, 6))
	const rounds = 12
	next := uint64(1)
	answered := map[uint64]bool{}
	for range rounds {
		first := next
		acked, handed := runWriter(t, dsn, spool, first, time.Duration(60+rnd.IntN(200))*time.Millisecond)
		for id := first; id < acked; id++ {
			answered[id] = true
		}
		next = handed + 1000 // numbers the dead writer may still have used are left out
	}
	w := newWriter(t, s, store.WriterOptions{SpoolDir: spool})
	flush(t, w)
	stats := balanced(t, w)
	seen := map[uint64]int{}
	rows := all(t, s, int(next))
	for _, r := range rows {
		if seen[r.ID]++; seen[r.ID] > 1 {
			t.Fatalf("record %d is stored %d times", r.ID, seen[r.ID])
		}
	}
	for id := range answered {
		if seen[id] == 0 {
			t.Fatalf("record %d was answered for and is gone", id)
		}
	}
	if len(answered) == 0 {
		t.Fatal("no record was answered for: the test tested nothing")
	}
	t.Logf("%d records answered for in %d lives, %d rows stored, %d adopted in the end", len(answered), rounds, len(rows), stats.Recovered)
	rollupsMatch(t, s, rows)
}

// runWriter runs a child for a while, kills it, and returns the last record
// numbers it said it answered for and had handed over.
func runWriter(t *testing.T, dsn, spool string, from uint64, life time.Duration) (acked, handed uint64) {
	t.Helper()
	testenv.Need(t, "engine")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+fmt.Sprint(dsn, " ", spool, " ", from))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked, handed = from, from
	lines := bufio.NewScanner(out)
	var kill *time.Timer
	for lines.Scan() {
		if kill == nil { // it lives: start the clock
			kill = time.AfterFunc(life, func() { cmd.Process.Kill() })
			defer kill.Stop()
		}
		var a, h uint64
		if n, _ := fmt.Sscan(lines.Text(), &a, &h); n == 2 { // the last line may be torn
			acked, handed = a, h
		}
	}
	cmd.Wait()
	if kill == nil {
		t.Fatal("the writer never started")
	}
	return acked, handed
}
