package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead/bulkhead/internal/testenv"
)

// vendorReaches is how many workloads the vendor reaches over the dependencies of
// the demonstration estate; internal/scenario asserts it of the estate's truth.
const vendorReaches = "214"

// The demonstration as a new user meets it: the program is started, the map
// becomes ready, a real browser walks from the map down to flows
// (ui/e2e/demo.mjs), Ctrl-C ends the program. Screenshots go to $BULKHEAD_SHOTS,
// or to a folder that stays when the test fails.
func TestDemoInChromium(t *testing.T) {
	testenv.Need(t, "engine", "node", "chromium", "ui")
	out := testenv.Shots(t)
	demo := startDemo(t)
	tour := exec.Command("node", "e2e/demo.mjs", demo.awaitMap(t), out, vendorReaches)
	tour.Dir = filepath.Join(testenv.Root(), "ui")
	got, err := tour.CombinedOutput()
	t.Logf("%s", got)
	if err != nil {
		t.Errorf("the tour ended early: %v; screenshots in %s", err, out)
	}
	demo.interrupt(t)
}

// demoProcess is a running `bulkhead demo` and what it says.
type demoProcess struct {
	cmd   *exec.Cmd
	says  *bufio.Scanner // standard error
	ended bool
}

// startDemo starts the program over an empty data folder on a free port. It is
// killed at the end of the test if it still runs.
func startDemo(t *testing.T) *demoProcess {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "bulkhead.yaml")
	if err := os.WriteFile(config, []byte("api: {listen: 127.0.0.1:0}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bulkhead", "--config", config, "--data-dir", filepath.Join(dir, "data"), "demo", "--workloads", "300")
	cmd.Env = append(os.Environ(), "BULKHEAD_ENGINE="+testenv.EngineLibrary())
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &demoProcess{cmd: cmd, says: bufio.NewScanner(stderr)}
	t.Cleanup(func() {
		if !d.ended {
			_ = cmd.Process.Signal(syscall.SIGTERM) // so that the engine, its child, ends too
			_ = cmd.Wait()
		}
	})
	return d
}

// awaitMap reads what the program says until the map is ready, and gives the
// dashboard's address, which the program prints beside it.
func (d *demoProcess) awaitMap(t *testing.T) string {
	t.Helper()
	for d.says.Scan() {
		t.Log(d.says.Text())
		if _, url, ok := strings.Cut(d.says.Text(), "the map is ready: "); ok {
			return strings.TrimSuffix(url, "/")
		}
	}
	t.Fatalf("the program ended before the map was ready: %v", d.says.Err())
	return ""
}

// interrupt presses Ctrl-C and expects the program to end with exit code 0.
func (d *demoProcess) interrupt(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for d.says.Scan() { // to the end of the pipe, as Wait asks
		t.Log(d.says.Text())
	}
	d.ended = true
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("interrupted, the program ended with %v, want exit code 0", err)
	}
}
