package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector/capture/capturetest"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store"
)

// bigCapture has many batches' worth of flows.
func bigCapture(t *testing.T, flows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "big.pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := capturetest.Write(f, capturetest.Options{Flows: flows, Packets: 6 * flows, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	return path
}

// held is what a store has of a capture.
type held struct {
	Rows, Flows, Bytes uint64
	Names              int
}

func holds(t *testing.T, dir string) (h held) {
	t.Helper()
	inStore(t, dir, func(s *session) error {
		var err error
		if h.Rows, err = s.store.Rows(t.Context()); err != nil {
			return err
		}
		edges, err := s.store.Edges(t.Context(), store.Query{})
		for _, e := range edges {
			h.Flows, h.Bytes = h.Flows+e.Flows, h.Bytes+e.Bytes
		}
		names, err2 := s.store.Names(t.Context(), store.Query{})
		h.Names = len(names)
		return errors.Join(err, err2)
	})
	return h
}

// A file is stored once, however it is imported: once, again, by two at once, after
// an interrupt, after a kill, and all of these in turn.
func TestImportsAreExactlyOnce(t *testing.T) {
	testenv.Need(t, "engine")
	file := bigCapture(t, 250_000)
	once := t.TempDir()
	bulkhead(t, "--data-dir", once, "import", file)
	want := holds(t, once)
	if want.Rows < 200_000 || want.Flows == 0 {
		t.Fatalf("the capture is too small to be interrupted: %+v", want)
	}

	dir := t.TempDir()
	inStore(t, dir, func(*session) error { // keeps the engine alive from one import to the next
		two := []*exec.Cmd{program(t, dir, "import", file), program(t, dir, "import", file)}
		for _, c := range two { // interrupted and killed in the middle, both
			if err := c.Start(); err != nil {
				return err
			}
		}
		awaitRows(t, dir, want.Rows/4)
		return errors.Join(two[0].Process.Signal(os.Interrupt), two[1].Process.Kill(), ended(two[0]), ended(two[1]))
	})
	if h := holds(t, dir); h.Rows == 0 || h.Rows >= want.Rows {
		t.Errorf("nothing was interrupted: %+v of %+v", h, want)
	}
	inStore(t, dir, func(*session) error { // to the end, by two at once
		two := []*exec.Cmd{program(t, dir, "import", file), program(t, dir, "import", file)}
		for _, c := range two {
			if err := c.Start(); err != nil {
				return err
			}
		}
		return errors.Join(two[0].Wait(), two[1].Wait())
	})
	if diff := cmp.Diff(want, holds(t, dir)); diff != "" {
		t.Errorf("interrupted, killed, and imported by two at once (-want +got):\n%s", diff)
	}
	if _, said := bulkhead(t, "--data-dir", dir, "import", file); !strings.Contains(said, "was imported on") {
		t.Errorf("a fifth import says %q", said)
	}
	bulkhead(t, "--data-dir", dir, "import", "--again", file)
	want.Rows, want.Flows, want.Bytes = 2*want.Rows, 2*want.Flows, 2*want.Bytes
	if diff := cmp.Diff(want, holds(t, dir)); diff != "" {
		t.Errorf("imported --again (-want +got):\n%s", diff)
	}
}

// program is the program as a process of its own.
func program(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command("bulkhead", append([]string{"--data-dir", dir}, args...)...)
	c.Env = append(os.Environ(), "BULKHEAD_ENGINE="+testenv.EngineLibrary())
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s", &out)
		}
	})
	return c
}

// ended waits for a process whose exit code does not matter.
func ended(c *exec.Cmd) error {
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) {
		return err
	}
	return nil
}

func awaitRows(t *testing.T, dir string, n uint64) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var rows uint64
		inStore(t, dir, func(s *session) (err error) { rows, err = s.store.Rows(t.Context()); return err })
		if rows >= n {
			return
		}
	}
	t.Fatalf("%d rows did not come", n)
}

// A file that another version or configuration has read in part is refused, for
// nobody can say which of its records are missing.
func TestImportOfAPartReadOtherwiseIsRefused(t *testing.T) {
	testenv.Need(t, "engine")
	dir, file := t.TempDir(), newCaptureFile(t)
	file.middle(flow.Key{Client: v4(1), Server: v4(2), ClientPort: 40000, ServerPort: 443, Proto: flow.TCP}, 0)
	hash, err := fileHash(t.Context(), file.path)
	if err != nil {
		t.Fatal(err)
	}
	inStore(t, dir, func(s *session) error {
		n := &importNote{File: "x", hash: hash, Reading: true, Settings: "other", Source: strings.Repeat("00", 16), By: "process 1 on elsewhere"}
		return n.save(t.Context(), s, "test")
	})
	root := newRoot(strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{})
	root.SetArgs([]string{"--data-dir", dir, "import", file.path})
	if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "process 1 on elsewhere") || !strings.Contains(err.Error(), "--again") {
		t.Errorf("error %v", err)
	}
	bulkhead(t, "--data-dir", dir, "import", "--again", file.path)
	if h := holds(t, dir); h.Rows != 1 {
		t.Errorf("%+v after --again", h)
	}
}
