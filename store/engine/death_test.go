package engine_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store/engine"
)

// ownerVariable makes this test binary an engine's parent that runs until it is
// killed: TestMain's second life.
const ownerVariable = "BULKHEAD_TEST_ENGINE_OWNER"

// own starts an engine in the folder the variable names, says where, and waits.
func own(dir string) {
	e, _, err := engine.Start(context.Background(), engine.Options{Dir: dir})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println(e.DSN(), e.PID())
	select {}
}

// owner starts such a parent and returns it with its engine's DSN and process id.
func owner(t *testing.T, dir string) (parent *exec.Cmd, dsn string, pid int) {
	t.Helper()
	parent = exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), ownerVariable+"="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { parent.Process.Kill(); parent.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, scanErr := fmt.Sscan(line, &dsn, &pid); err != nil || scanErr != nil {
		t.Fatalf("parent said %q: %v %v", line, err, scanErr)
	}
	return parent, dsn, pid
}

func TestEngineDiesWithItsParentAndKeepsItsRows(t *testing.T) {
	testenv.Need(t, "engine")
	dir := t.TempDir()
	parent, dsn, pid := owner(t, dir)
	conn := connect(t, dsn)
	run(t, conn, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	run(t, conn, "INSERT INTO t SELECT number FROM numbers(500)")
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	parent.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for alive(pid) && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if alive(pid) {
		t.Fatalf("engine %d outlives its parent", pid)
	}
	again := start(t, engine.Options{Dir: dir, Exclusive: true})
	if n := count(t, connect(t, again.DSN()), "SELECT count() FROM t"); n != 500 {
		t.Errorf("%d rows after kill -9 of the parent, want 500", n)
	}
	if again.DSN() != dsn {
		t.Error("the address changed: programs that were attached cannot find the engine again")
	}
}

// A program that uses another's engine goes on when that one ends: it runs the
// engine itself, at the same address.
func TestEngineIsInherited(t *testing.T) {
	testenv.Need(t, "engine")
	dir := t.TempDir()
	parent, dsn, _ := owner(t, dir)
	e := start(t, engine.Options{Dir: dir})
	if !e.Attached() || e.DSN() != dsn {
		t.Fatalf("attached %v", e.Attached())
	}
	conn := connect(t, e.DSN())
	run(t, conn, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
	run(t, conn, "INSERT INTO t SELECT number FROM numbers(7)")
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	parent.Wait()
	if n := count(t, conn, "SELECT count() FROM t"); n != 7 {
		t.Errorf("%d rows, want 7", n)
	}
	if e.Attached() || e.PID() == 0 || e.DSN() != dsn {
		t.Errorf("attached %v, pid %d: want our own engine at the same address", e.Attached(), e.PID())
	}
	third := start(t, engine.Options{Dir: dir})
	if !third.Attached() {
		t.Error("a third program does not find the inherited engine")
	}
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || syscall.Kill(pid, 0) != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestEngineStopsOnRequest(t *testing.T) {
	testenv.Need(t, "engine")
	dir := t.TempDir()
	e, stop, err := engine.Start(t.Context(), engine.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	pid := e.PID()
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if alive(pid) {
		t.Error("engine runs after stop")
	}
	if _, err := os.Stat(dir + "/endpoint.json"); !os.IsNotExist(err) {
		t.Errorf("endpoint file stays after a clean stop: %v", err)
	}
	if e.Healthy() {
		t.Error("healthy after stop")
	}
}
