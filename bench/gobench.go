package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// goSuites are the Go benchmarks beside the code they measure, by what a reader
// asks. Peers that are libraries are measured by the suite itself, in the same run.
var goSuites = []struct {
	title, method, pkg, pattern, time string
	env                               string // NAME=value, "" for none
}{
	{"Rows into ClickHouse", "The store's writer into MergeTree tables of the embedded engine, engine and client sharing the machine's cores.",
		"./store", "BenchmarkInsert", "1x", ""},
	{"From flow rows to edges", "20 million raw flows of a million edges, spread over a day, grouped in the embedded engine.",
		"./store", "BenchmarkEdges", "3x", "BULKHEAD_BENCH_FLOWS=20000000"},
	{"From edges to a map", "Build is the whole map of estates of growing size. Modules is clustering alone, on random graphs with planted groups of 50 and 80 % " +
		"of links inside; gonum's Louvain, igraph's Louvain and Leiden (python3-igraph, python3-leidenalg of Debian) cluster the same graphs, and found is the " +
		"share of planted groups that came out whole.",
		"./mapper", "Benchmark", "1x", ""},
	{"Judging flows", "policy.Evaluate and its indexed form, 100,000 workloads and 10,000 rules where the name says so.",
		"./policy", "Benchmark", "1s", ""},
	{"Blast radius", "Reach of every workload over the dependencies that are open.", "./recommender", "Benchmark", "1x", ""},
	{"A live interface", "One generator sends the smallest frames over a veth pair as fast as it can. Ring is the reader and the walk alone, by its thread's CPU time; " +
		"Live is a sensor with all stages, by the process's CPU time but for the generator's. What was sent is counted or dropped.",
		"./collector", "BenchmarkRing|BenchmarkLive", "1x", ""},
	{"The flow table", "Packets of 1,000, 100,000 and 1,000,000 flows in random order on one core; a flood of ten million attempts from spoofed sources, with real connections between them; " +
		"the peak resident size of an import of 100,000 flows alive at once.",
		"./collector/...", "BenchmarkTable|BenchmarkFlood|BenchmarkMemory", "1s", ""},
	{"Receiving flow exports", "Datagrams over loopback through the collector without a store; nothing may be dropped.",
		"./collector/netflow/...", "Benchmark", "1s", ""},
}

// benchLine is a result of go test -bench: name, iterations, then value and unit
// pairs.
var benchLine = regexp.MustCompile(`^(Benchmark\S+)\s+\d+\s+(.*)$`)

// benchGo runs the suites and reports their own figures.
func benchGo(ctx context.Context, _ *bench) ([]section, error) {
	var out []section
	for _, s := range goSuites {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", s.pattern, "-benchtime", s.time, "-timeout", "30m", s.pkg)
		cmd.Env = append(os.Environ(), "REQUIRE=all")
		if s.env != "" {
			cmd.Env = append(cmd.Env, s.env)
		}
		text, err := cmd.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", s.pkg, err, tail(text))
		}
		sec := section{title: s.title, method: s.method + fmt.Sprintf(" `go test -bench %s -benchtime %s %s`", s.pattern, s.time, s.pkg)}
		for _, line := range strings.Split(string(text), "\n") {
			if m := benchLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				name := strings.TrimPrefix(m[1], "Benchmark")
				if i := strings.LastIndexByte(name, '-'); i > 0 {
					name = name[:i]
				}
				sec.lines = append(sec.lines, [2]string{name, strings.Join(strings.Fields(m[2]), " ")})
			}
		}
		out = append(out, sec)
	}
	return out, nil
}
