package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/mapper"
)

// tally adds records up to edges as a store would.
type tally struct {
	edges map[flow.Key]*flow.Edge
	names []flow.Name
}

func (t *tally) Names(n []flow.Name) error {
	t.names = append(t.names, n...)
	return nil
}

func (t *tally) Records(records []flow.Record) error {
	for i := range records {
		r := &records[i]
		if r.Outcome != flow.Established {
			continue
		}
		k := r.Key
		k.ClientPort = 0
		if t.edges[k] == nil {
			t.edges[k] = &flow.Edge{Client: flow.Party{Addr: k.Client, Scope: k.Scope}, Server: flow.Party{Addr: k.Server, Scope: k.Scope},
				Service: flow.Service{Proto: k.Proto, Port: k.ServerPort}}
		}
		t.edges[k].Merge(flow.EdgeStats{Flows: 1, Packets: r.ClientPackets + r.ServerPackets, Bytes: r.ClientBytes + r.ServerBytes,
			First: r.First, Last: r.Last, Days: 1, Hours: 1, Evidence: r.Evidence, Confidence: r.Confidence})
	}
	return nil
}

// windowsSection maps recorded Windows domains, of minutes each, and asks whether
// the domain controller is known for what it is.
func windowsSection(r *report) error {
	root := filepath.Join(testenv.Corpus(), "otrf-security-datasets")
	hosts, err := readCSV(filepath.Join(root, "host-roles.csv"))
	if err != nil {
		return nil // no corpus: said by systemsSection
	}
	controllers := map[string]bool{}
	for _, h := range hosts {
		if strings.HasPrefix(h[2], "domain controller") {
			controllers[h[0]] = true
		}
	}
	var captures []string
	for _, pattern := range []string{"atomic/*/*/*/*.cap.gz", "compound/*/*.gz"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		captures = append(captures, found...)
	}
	slices.Sort(captures)
	var rows [][]string
	for _, c := range captures {
		row, err := windowsRow(c, controllers)
		if err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		rows = append(rows, row)
	}
	r.heading("Recorded Windows domains: directory servers found")
	r.table([]string{"capture", "nodes", "dependencies", "controllers seen", "found", "others called directory"}, rows)
	return nil
}

func windowsRow(path string, controllers map[string]bool) ([]string, error) {
	t := &tally{edges: map[flow.Key]*flow.Edge{}}
	if _, err := collector.Import(context.Background(), path, collector.Options{}, t); err != nil && len(t.edges) == 0 {
		return nil, err // captures cut in their last packet are mapped as far as they go
	}
	in := mapper.Input{Names: t.names}
	for _, e := range t.edges {
		in.Edges = append(in.Edges, *e)
	}
	m, err := mapper.Build(in, mapper.Options{})
	if err != nil {
		return nil, err
	}
	seen, right, wrong := 0, 0, 0
	for _, n := range m.Graph.Nodes {
		if controllers[n.ID] {
			seen++
		}
	}
	for _, f := range m.Infrastructure {
		switch {
		case f.Kind != mapper.KindDirectory:
		case controllers[m.Graph.Nodes[f.Node].ID]:
			right++
		default:
			wrong++
		}
	}
	name := filepath.Base(path)
	return []string{name[:min(len(name), 60)], fmt.Sprint(len(m.Graph.Nodes)), fmt.Sprint(len(m.Graph.Deps)), fmt.Sprint(seen), fmt.Sprint(right), fmt.Sprint(wrong)}, nil
}
