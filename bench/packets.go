package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/collector/capture/capturetest"
)

// benchPackets reads one capture file into flow records with every tool.
func benchPackets(ctx context.Context, b *bench) ([]section, error) {
	file := filepath.Join(b.dir, "bench.pcap")
	mix, err := writeCapture(file)
	if err != nil {
		return nil, err
	}
	packets := float64(mix.Packets)
	s := section{title: "Capture file to flow records", unit: "million packets per CPU second", better: "more",
		method: fmt.Sprintf("One pcap file in the page cache: %d packets of %d flows, IPv4 and IPv6, 802.1Q and QinQ, full frames. "+
			"Each tool reads it and makes flow records; ours with names, direction and outcome on.", mix.Packets, mix.Flows)}
	nfdir := filepath.Join(b.dir, "nf")
	if err := os.MkdirAll(nfdir, 0o755); err != nil {
		return nil, err
	}
	for _, c := range []struct {
		tool, note string
		args       []string
	}{
		{b.binary, "", []string{"import", "--dry-run", "--json", file}},
		{"softflowd", "-m 200000; sends NetFlow v9 to a closed port", []string{"-r", file, "-n", "127.0.0.1:9", "-v", "9", "-m", "200000", "-c", "none", "-d"}},
		{"nfpcapd", "writes nfcapd files", []string{"-r", file, "-w", nfdir}},
		{"argus", "writes to a file", []string{"-r", file, "-w", filepath.Join(b.dir, "argus.out")}},
	} {
		if !has(c.tool) {
			s.rows = append(s.rows, row{tool: c.tool, note: "not installed"})
			continue
		}
		r, err := median(ctx, b.runs, c.tool, c.args...)
		if err != nil {
			s.rows = append(s.rows, row{tool: filepath.Base(c.tool), note: "failed: " + oneLine(err)})
			continue
		}
		row := row{tool: filepath.Base(c.tool), figure: packets / 1e6 / r.cpu.Seconds(), cpu: r.cpu.Seconds(), rssMB: float64(r.rss) / 1e6, note: c.note}
		if c.tool == b.binary {
			row.note = ourImport(r.out)
		}
		s.rows = append(s.rows, row)
	}
	return []section{s}, nil
}

func writeCapture(file string) (sum capturetest.Summary, err error) {
	f, err := os.Create(file)
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return capturetest.Write(f, capturetest.Options{Seed: 1})
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// ourImport says what our import counted, so that a fast wrong answer shows.
func ourImport(out []byte) string {
	var got struct {
		Packets, Records uint64
		Drops            map[string]uint64
	}
	if err := json.Unmarshal(out, &got); err != nil {
		return "no report: " + oneLine(err)
	}
	note := fmt.Sprintf("%d packets, %d records", got.Packets, got.Records)
	for _, reason := range slices.Sorted(maps.Keys(got.Drops)) {
		note += fmt.Sprintf(", %d %s", got.Drops[reason], reason)
	}
	return note
}
