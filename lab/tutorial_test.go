package lab_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/lab"
)

// built is the folder of the program, built once for all tests; TestMain
// removes it.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bulkhead-bin-")
	if err != nil {
		return "", err
	}
	usedProgram.Store(&dir)
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "bulkhead"), "./cmd/bulkhead")
	cmd.Dir = testenv.Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build: %w: %s", err, out)
	}
	return dir, nil
})

// program returns the folder the built program is in.
func program(t *testing.T) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The tutorial's commands, typed as they stand, do what it says.
func TestTutorialWorksAsTyped(t *testing.T) {
	testenv.Need(t, "engine", "go")
	l := up(t, lab.Options{Topology: lab.Payments()})
	bin := program(t)
	if err := l.Traffic(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.StopTap(); err != nil {
		t.Fatal(err)
	}
	steps, err := l.Tutorial()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(testenv.Root(), "docs", "tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { awaitEnd(t, filepath.Join(l.Dir(), "watch.pid")) })
	said := map[string]string{}
	for _, s := range steps {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", s.Command)
		cmd.Env = append(os.Environ(), append(l.Environment(), "NO_COLOR=1", "PATH="+bin+":"+os.Getenv("PATH"))...)
		out, err := cmd.CombinedOutput()
		said[s.Say] = string(out)
		if !strings.Contains(string(page), "\n"+s.Command+"\n") {
			t.Errorf("docs/tutorial.md does not have the command\n%s", s.Command)
		}
		if (err != nil) != s.Fails {
			t.Fatalf("%s: %v\n%s\n%s", s.Say, err, s.Command, out)
		}
	}
	for say, want := range map[string]string{
		"how far the vendor gets today":             "reaches 6 of",
		"how far the vendor would get":              "reaches 1 of",
		"design: least privilege for what was seen": "vendor-access",
		"what that would break":                     "The vendor-vpn network to store-files",
		"what the policy would have blocked":        "settlement.lab.example",
		"what to do about it":                       "settlement of payments (prod) is no longer logged as a violation towards db of payments (prod) on tcp/5432",
		"plan: what the change will do":             "vendor-access",
		"the watch takes the change back":           "3 that the recorded traffic did not have",
		"what happened, by whom and why":            "rolled-back",
	} {
		if !strings.Contains(said[say], want) {
			t.Errorf("%s: no %q in\n%s", say, want, said[say])
		}
	}
}

// awaitEnd ends the process whose id a file has, and waits until it is gone or
// only waits for its parent (proc(5), state Z).
func awaitEnd(t *testing.T, pidFile string) {
	t.Helper()
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return // never started
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Error(err)
		return
	}
	syscall.Kill(pid, syscall.SIGTERM) // it may have ended already
	for range 600 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("process %d does not end", pid)
}
