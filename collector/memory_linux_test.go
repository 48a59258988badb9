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

// peakOfAHundredThousandFlows imports 100,000 flows, all alive at once, everything
// on, in a process of its own, and returns the flows and the peak resident size in
// KiB. That process runs the test called name, which calls importForPeak.
func peakOfAHundredThousandFlows(t testing.TB, name string) (flows, peak int) {
	t.Helper()
	// All in 15 s: none of the flows has ended when the last begins.
	path := generated(t, capturetest.Options{Packets: 400_000, Flows: 100_000, Seconds: 15, Seed: 2})
	cmd := exec.Command(os.Args[0], "-test.run=^"+name+"$")
	cmd.Env = append(os.Environ(), "BULKHEAD_TEST_IMPORT="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, line := range bytes.Split(out, []byte("\n")) {
		if strings.HasPrefix(string(line), "flows ") {
			fmt.Sscanf(string(line), "flows %d", &flows)
		}
		if strings.HasPrefix(string(line), "VmHWM:") {
			fmt.Sscanf(string(line), "VmHWM: %d", &peak)
		}
	}
	return flows, peak
}

// importForPeak imports the file that the parent process names, and reports whether
// there is one.
func importForPeak(t *testing.T) bool {
	path := os.Getenv("BULKHEAD_TEST_IMPORT")
	if path == "" {
		return false
	}
	var d discard
	s, err := collector.Import(context.Background(), path, collector.Options{}, &d)
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("flows %d\n%s", s.Assemble.Flows, status)
	return true
}

// A hundred thousand flows alive at once fit into 64 MiB, everything on.
func TestMemoryOfAHundredThousandFlows(t *testing.T) {
	if importForPeak(t) {
		return
	}
	flows, peak := peakOfAHundredThousandFlows(t, t.Name())
	t.Logf("%d flows, %d KiB at most", flows, peak)
	if flows < 99_000 || peak == 0 || peak > 64<<10 {
		t.Errorf("%d flows took %d KiB, want at most 65536", flows, peak)
	}
}

// BenchmarkMemory is the same for the reader of benchmarks.
func BenchmarkMemory(b *testing.B) {
	flows, peak := 0, 0
	for b.Loop() {
		flows, peak = peakOfAHundredThousandFlows(b, "TestMemoryOfAHundredThousandFlows")
	}
	b.ReportMetric(float64(flows), "flows")
	b.ReportMetric(float64(peak)/1024, "peak-MiB")
}
