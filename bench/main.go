// Command bench measures Bulkhead beside the tools its users know, on the same
// input in the same run, and writes docs/benchmarks.md. Figures are CPU seconds as
// the kernel accounts them; the ratio of two tools in one run says more than
// either figure, because machines differ and are shared.
//
// Nothing here passes or fails: tests do that.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/bulkhead/bulkhead/internal/task"
	"github.com/bulkhead/bulkhead/store/engine"
)

// bench is what every section has.
type bench struct {
	binary string // the program under test
	dir    string // for input files and what tools write
	runs   int
}

// sections in the order of the report. A section whose peers are missing says so
// instead of failing the rest.
var sections = []struct {
	name string
	run  func(context.Context, *bench) ([]section, error)
}{
	{"packets", benchPackets},
	{"exports", benchExports},
	{"rulesets", benchRulesets},
	{"go", benchGo},
}

func main() {
	if engine.IsChild() {
		engine.ChildMain()
	}
	out := flag.String("o", "docs/benchmarks.md", "report")
	binary := flag.String("binary", "bin/bulkhead", "the program to measure")
	only := flag.String("only", "", "one section: packets, exports, rulesets or go")
	runs := flag.Int("runs", 5, "counted runs of each command")
	flag.Parse()
	ctx, stop := task.Notify(context.Background())
	defer stop()
	if err := run(ctx, *binary, *out, *only, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary, out, only string, runs int) (err error) {
	binary, err = filepath.Abs(binary)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bulkhead-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{binary: binary, dir: dir, runs: runs}
	var report bytes.Buffer
	fmt.Fprintf(&report, preamble, machine())
	for _, s := range sections {
		if only != "" && only != s.name {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", s.name)
		tables, err := s.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for i := range tables {
			tables[i].write(&report)
		}
	}
	if only != "" {
		_, err = os.Stdout.Write(report.Bytes())
		return err
	}
	return os.WriteFile(out, report.Bytes(), 0o644)
}

const preamble = `# Benchmarks

Written by ` + "`make bench`" + ` on this machine: %s. CPU is user and system time of
the whole process as the kernel accounts it, the median of several runs after a
warm-up; peak memory is the largest resident set. Ratios compare tools in the same run
on the same input. "Ours against it" above 1 means Bulkhead does better.

`

// machine names the processor, for the reader who compares reports.
func machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for _, line := range strings.Split(string(b), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d × %s, %s", runtime.NumCPU(), model, runtime.Version())
}

// has reports whether a peer is installed.
func has(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}
