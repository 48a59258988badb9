package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
)

// observation is one way of watching the estate.
type observation struct {
	name  string
	noise scenario.Noise
	write func(*scenario.Estate, io.Writer) error
}

var observations = []observation{
	{name: "packets", write: (*scenario.Estate).WritePcap},
	{name: "packets, every connection begun before", write: captured(scenario.Capture{MidStream: 1})},
	{name: "packets, one-way tap for 20 % of pairs", noise: scenario.Noise{OneWay: 0.2}, write: (*scenario.Estate).WritePcap},
	{name: "packets, one-way tap for all pairs", noise: scenario.Noise{OneWay: 1}, write: (*scenario.Estate).WritePcap},
	{name: "packets, one-way tap for all, begun before", noise: scenario.Noise{OneWay: 1}, write: captured(scenario.Capture{MidStream: 1})},
	{name: "packets, renumbered ports", noise: scenario.Noise{Renumber: true}, write: (*scenario.Estate).WritePcap},
	{name: "NetFlow v9, unidirectional", write: (*scenario.Estate).WriteNetFlow9},
	{name: "IPFIX, unidirectional", write: (*scenario.Estate).WriteIPFIX},
	{name: "IPFIX, two routers export the same", write: exported(scenario.IPFIX, scenario.Capture{Routers: 2})},
	{name: "IPFIX, one-way for 20 % of pairs", noise: scenario.Noise{OneWay: 0.2}, write: (*scenario.Estate).WriteIPFIX},
	{name: "IPFIX, begun before, renumbered ports", noise: scenario.Noise{Renumber: true}, write: exported(scenario.IPFIX, scenario.Capture{MidStream: 1})},
	{name: "NetFlow v5, unidirectional", write: (*scenario.Estate).WriteNetFlow5},
	{name: "NetFlow v5, begun before", write: exported(scenario.NetFlow5, scenario.Capture{MidStream: 1})},
	{name: "sFlow 1:100", write: sampled(100, scenario.Capture{})},
	{name: "sFlow 1:100, renumbered ports", noise: scenario.Noise{Renumber: true}, write: sampled(100, scenario.Capture{})},
}

func captured(c scenario.Capture) func(*scenario.Estate, io.Writer) error {
	return func(e *scenario.Estate, w io.Writer) error { return e.WriteCapture(w, c) }
}

func exported(p scenario.Protocol, c scenario.Capture) func(*scenario.Estate, io.Writer) error {
	return func(e *scenario.Estate, w io.Writer) error { return e.WriteExport(w, p, c) }
}

func sampled(rate int, c scenario.Capture) func(*scenario.Estate, io.Writer) error {
	return func(e *scenario.Estate, w io.Writer) error { return e.WriteSFlow(w, rate, c) }
}

// directionSection imports the estate's traffic, watched in each way, and
// compares who is taken for the client with who is.
func directionSection(r *report, base scenario.Options, ways []observation) error {
	dir, err := os.MkdirTemp("", "bulkhead-truth-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var rows [][]string
	for _, o := range ways {
		d, err := o.measure(base, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		rows = append(rows, d.row(o.name))
	}
	r.heading("Who is the client")
	r.text("Flows: records whose pair of hosts and service exist. Edges: client, server and service\n" +
		"triples; seen are those of which the observation holds at least one packet. False edges are\n" +
		"drawn and do not exist: reversed ones, or ports that are no service.\n")
	r.table([]string{"watched as", "flows", "client right", "true edges", "seen", "found of seen", "false edges"}, rows)
	return nil
}

// directions is what an observation came to.
type directions struct {
	right, reversed  int // records
	edges, seen      int // true edges; those with at least one record
	found, falseEdge int // as established service
}

func (d *directions) row(name string) []string {
	return []string{name, fmt.Sprint(d.right + d.reversed), fmt.Sprintf("%.2f %%", 100*float64(d.right)/float64(max(1, d.right+d.reversed))),
		fmt.Sprint(d.edges), fmt.Sprint(d.seen), percent(d.found, d.seen), fmt.Sprint(d.falseEdge)}
}

func (o *observation) measure(base scenario.Options, dir string) (*directions, error) {
	base.Noise = o.noise
	e, err := scenario.Generate(base)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "estate.pcap")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := o.write(e, f); err != nil {
		return nil, err
	}
	j, err := newJudge(e)
	if err != nil {
		return nil, err
	}
	if _, err := collector.Import(context.Background(), path, collector.Options{WithoutNames: true}, j); err != nil {
		return nil, err
	}
	return j.verdict(), nil
}

// pairOf is the key of all flows of one client, server and service.
func pairOf(k flow.Key) flow.Key {
	k.ClientPort = 0
	return k
}

// judge is a sink that compares records with the truth.
type judge struct {
	truth  map[flow.Key]bool // by pair: whether it was ever established
	seen   map[flow.Key]bool
	found  map[flow.Key]bool // what was taken for established: whether it exists
	result directions
}

func newJudge(e *scenario.Estate) (*judge, error) {
	j := &judge{truth: map[flow.Key]bool{}, seen: map[flow.Key]bool{}, found: map[flow.Key]bool{}}
	err := e.Flows(func(r flow.Record) error {
		p := pairOf(r.Key)
		j.truth[p] = j.truth[p] || r.Outcome == flow.Established
		return nil
	})
	return j, err
}

// Records implements collector.Sink.
func (j *judge) Records(records []flow.Record) error {
	for i := range records {
		j.record(&records[i])
	}
	return nil
}

// Names implements collector.Sink.
func (*judge) Names([]flow.Name) error { return nil }

func (j *judge) record(r *flow.Record) {
	p := pairOf(r.Key)
	established, real := j.truth[p]
	back := pairOf(r.Key.Reverse())
	_, realBack := j.truth[back]
	switch {
	case real:
		j.result.right++
		j.seen[p] = true
	case realBack:
		j.result.reversed++
		j.seen[back] = true
	}
	if r.Outcome != flow.Established {
		return
	}
	if !real {
		j.found[p] = false
	} else if established {
		j.found[p] = true
	}
}

func (j *judge) verdict() *directions {
	d := j.result
	for p, established := range j.truth {
		if established {
			d.edges++
			if j.seen[p] {
				d.seen++
			}
		}
	}
	for _, real := range j.found {
		if real {
			d.found++
		} else {
			d.falseEdge++
		}
	}
	return &d
}
