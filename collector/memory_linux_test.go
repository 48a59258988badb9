package collector_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/capture/capturetest"
)

// A hundred thousand flows alive at once fit into 64 MiB, everything on. The
// import runs in a process of its own, whose peak resident size is taken.
func TestMemoryOfAHundredThousandFlows(t *testing.T) {
	if path := os.Getenv("BULKHEAD_TEST_IMPORT"); path != "" {
		live := 0
		var d discard
		o := collector.Options{}
		s, err := collector.Import(context.Background(), path, o, &d)
		if err != nil {
			t.Fatal(err)
		}
		live = int(s.Assemble.Flows)
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("flows %d\n%s", live, status)
		return
	}
	// All in 15 s: none of the flows has ended when the last begins.
	path := generated(t, capturetest.Options{Packets: 400_000, Flows: 100_000, Seconds: 15, Seed: 2})
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "BULKHEAD_TEST_IMPORT="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var flows, peak int
	for _, line := range bytes.Split(out, []byte("\n")) {
		if strings.HasPrefix(string(line), "flows ") {
			fmt.Sscanf(string(line), "flows %d", &flows)
		}
		if strings.HasPrefix(string(line), "VmHWM:") {
			fmt.Sscanf(string(line), "VmHWM: %d", &peak)
		}
	}
	t.Logf("%d flows, %d KiB at most", flows, peak)
	if flows < 99_000 || peak == 0 || peak > 64<<10 {
		t.Errorf("%d flows took %d KiB, want at most 65536", flows, peak)
	}
}
