package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// benchRulesets measures the enforcer beside nft: loading, changing, and what a
// packet pays. Each benchmark runs in a process of its own, so that peak memory is
// its own.
func benchRulesets(ctx context.Context, b *bench) ([]section, error) {
	binary := filepath.Join(b.dir, "nft.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./enforcer/nft").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build ./enforcer/nft: %w: %s", err, tail(out))
	}
	run := func(name, times string) (figures, error) { return runBenchmark(ctx, binary, name, times) }
	load := section{title: "Rulesets into the kernel", unit: "ms of CPU", better: "less",
		method: "A gateway's ruleset of about as many exact set elements, into an empty network namespace. Ours: compiled, applied and read back; " +
			"nft reads its text, which lists peers' addresses instead of identities."}
	for _, size := range [][2]string{{"100000", "3x"}, {"1000000", "1x"}} {
		for _, tool := range []struct{ name, benchmark string }{{"bulkhead", "Apply"}, {"nft -f", "NftF"}} {
			f, err := run(tool.benchmark+"/"+size[0], size[1])
			if err != nil {
				return nil, err
			}
			load.rows = append(load.rows, row{tool: tool.name, figure: f["cpu-ms"], cpu: f["cpu-ms"] / 1000, rssMB: f["peak-MB"],
				note: fmt.Sprintf("%.0f elements", f["elements"])})
		}
	}
	million := load
	million.title += ": a million"
	load.rows, million.rows = load.rows[:2], load.rows[2:]
	change, err := benchLabelChange(run)
	if err != nil {
		return nil, err
	}
	packets, err := benchPacketCost(run)
	return []section{load, million, change, packets}, err
}

func benchLabelChange(run func(name, times string) (figures, error)) (section, error) {
	s := section{title: "One workload takes another label", unit: "ms", better: "less",
		method: "In a ruleset of 100,000 elements, the best of 50. Ours: the difference found, the kernel told, the change read back; compiling (BenchmarkCompile) not included. nft deletes and adds the one element of the same table."}
	for _, tool := range []struct{ name, benchmark string }{
		{"bulkhead, gateway", "LabelChange/gateway"}, {"bulkhead, host", "LabelChange/host"}, {"nft -f", "NftLabelChange"},
	} {
		f, err := run(tool.benchmark, "50x")
		if err != nil {
			return s, err
		}
		s.rows = append(s.rows, row{tool: tool.name, figure: f["best-ms"], own: tool.name != "nft -f"})
	}
	f, err := run("Compile/100000", "10x")
	s.rows[0].note = fmt.Sprintf("compiling the whole set and inventory before takes %.0f ms", f["ns/op"]/1e6)
	return s, err
}

func benchPacketCost(run func(name, times string) (figures, error)) (section, error) {
	s := section{title: "What a forwarded packet pays", unit: "ns more than connection tracking", better: "less",
		method: "CPU time of a forwarded UDP packet that nobody answered, so that the ruleset judges every one, clients spread over the whole set; minima of batches taken in turns."}
	f, err := run("Packet", "1x")
	if err != nil {
		return s, err
	}
	for _, n := range []string{"10", "1000", "100000", "1000000"} {
		s.rows = append(s.rows, row{tool: "bulkhead, " + n + " entries", figure: f["policy"+n+"-adds-ns"], own: true})
	}
	s.rows[0].note = fmt.Sprintf("the whole path costs %.0f ns without a ruleset, %.0f with connection tracking", f["none-ns"], f["conntrack-ns"])
	s.rows = append(s.rows,
		row{tool: "bulkhead, established", figure: f["established-adds-ns"], own: true, note: "a packet of a known connection; about nothing, the noise may be larger"},
		row{tool: "nft, 1000 linear rules", figure: f["linear1000-adds-ns"]})
	return s, nil
}

// figures are a benchmark's values by unit.
type figures map[string]float64

// runBenchmark runs one benchmark of a test binary.
func runBenchmark(ctx context.Context, binary, name, times string) (figures, error) {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = "^" + parts[i] + "$"
	}
	parts[0] = "^Benchmark" + parts[0][1:]
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.bench", strings.Join(parts, "/"), "-test.benchtime", times, "-test.timeout", "30m")
	cmd.Env = append(os.Environ(), "REQUIRE=all")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, tail(out))
	}
	for _, line := range strings.Split(string(out), "\n") {
		m := benchLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		f, words := figures{}, strings.Fields(m[2])
		for i := 0; i+1 < len(words); i += 2 {
			if f[words[i+1]], err = strconv.ParseFloat(words[i], 64); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return f, nil
	}
	return nil, fmt.Errorf("%s: no result in: %s", name, tail(out))
}
