package capture_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// After the drop the process is nobody, may read nothing of root's, and can still
// open a ring. It runs in a process of its own, because there is no way back.
func TestDropPrivileges(t *testing.T) {
	testenv.Need(t, "root")
	if os.Getenv("BULKHEAD_TEST_DROP") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "BULKHEAD_TEST_DROP=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	if err := capture.DropPrivileges("nonesuch"); err == nil {
		t.Error("an unknown user was accepted")
	}
	if err := capture.DropPrivileges("nobody"); err != nil {
		if strings.Contains(err.Error(), "operation not supported") {
			t.Skip("a cgo build cannot change all threads; release builds are without cgo")
		}
		t.Fatal(err)
	}
	if os.Getuid() == 0 || os.Geteuid() == 0 {
		t.Error("still root")
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CapEff:\t0000000000002000", "CapPrm:\t0000000000002000", "NoNewPrivs:\t1"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if _, err := os.ReadFile("/etc/shadow"); err == nil {
		t.Error("/etc/shadow can be read")
	}
	r, err := capture.OpenRing("lo", capture.RingOptions{Blocks: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
