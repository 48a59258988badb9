package main

import (
	"fmt"
	"time"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/mapper/baseline"
	"github.com/bulkhead/bulkhead/topology"
	"github.com/bulkhead/bulkhead/truth/score"
)

// estateCase is one estate the mapper is measured on.
type estateCase struct {
	name     string
	options  scenario.Options
	baseline bool // Louvain and components too; gonum takes minutes on large graphs
}

// allNoise is what the worst sensor sees of the worst estate.
var allNoise = scenario.Noise{NoNames: true, MissingDays: 3, OneWay: 0.2, NAT: true}

var estateCases = []estateCase{
	{"demonstration estate", scenario.Options{}, true},
	{"no names", scenario.Options{Noise: scenario.Noise{NoNames: true}}, true},
	{"renumbered hosts and ports, no names", scenario.Options{Noise: scenario.Noise{NoNames: true, Renumber: true}}, true},
	{"three days missing", scenario.Options{Noise: scenario.Noise{MissingDays: 3}}, true},
	{"one day only", scenario.Options{Days: 1}, true},
	{"20 % seen one way", scenario.Options{Noise: scenario.Noise{OneWay: 0.2}}, true},
	{"offices behind NAT", scenario.Options{Noise: scenario.Noise{NAT: true}}, true},
	{"no scanners", scenario.Options{Noise: scenario.Noise{NoScanners: true}}, true},
	{"all noise at once", scenario.Options{Noise: allNoise}, true},
	{"1,000 workloads", scenario.Options{Workloads: 1000}, true},
	{"1,000 workloads, no names", scenario.Options{Workloads: 1000, Noise: scenario.Noise{NoNames: true}}, true},
	{"1,000 workloads, renumbered", scenario.Options{Workloads: 1000, Noise: scenario.Noise{NoNames: true, Renumber: true}}, true},
	{"1,000 workloads, three days missing", scenario.Options{Workloads: 1000, Noise: scenario.Noise{MissingDays: 3}}, true},
	{"1,000 workloads, 20 % seen one way", scenario.Options{Workloads: 1000, Noise: scenario.Noise{OneWay: 0.2}}, true},
	{"1,000 workloads, offices behind NAT", scenario.Options{Workloads: 1000, Noise: scenario.Noise{NAT: true}}, true},
	{"1,000 workloads, no scanners", scenario.Options{Workloads: 1000, Noise: scenario.Noise{NoScanners: true}}, true},
	{"1,000 workloads, all noise at once", scenario.Options{Workloads: 1000, Noise: allNoise}, true},
	{"10,000 workloads, three days", scenario.Options{Workloads: 10000, Days: 3}, false},
	{"10,000 workloads, three days, no names", scenario.Options{Workloads: 10000, Days: 3, Noise: scenario.Noise{NoNames: true}}, false},
	{"10,000 workloads, four days, three missing, all other noise too", scenario.Options{Workloads: 10000, Days: 4, Noise: allNoise}, false},
}

// otherEstates measure what the retail chain's figures are worth elsewhere. The
// hospital was looked at while the mapper was made, the factory never.
var otherEstates = []struct {
	name string
	spec func() (*scenario.Spec, error)
}{{"hospital", scenario.Hospital}, {"factory (nothing tuned for it)", scenario.Plant}}

var otherCases = []estateCase{
	{"", scenario.Options{}, true},
	{", no names", scenario.Options{Noise: scenario.Noise{NoNames: true}}, true},
	{", renumbered", scenario.Options{Noise: scenario.Noise{NoNames: true, Renumber: true}}, true},
	{", 1,000 workloads", scenario.Options{Workloads: 1000}, true},
	{", all noise at once", scenario.Options{Noise: allNoise}, true},
}

func otherEstateCases() ([]estateCase, error) {
	var out []estateCase
	for _, e := range otherEstates {
		spec, err := e.spec()
		if err != nil {
			return nil, err
		}
		for _, c := range otherCases {
			c.name, c.options.Spec = e.name+c.name, spec
			out = append(out, c)
		}
	}
	return out, nil
}

// mapped is an estate with the map made of it.
type mapped struct {
	estate *scenario.Estate
	truth  *scenario.Truth
	m      *topology.Map
	took   time.Duration
}

func mapEstate(o scenario.Options) (*mapped, error) {
	e, err := scenario.Generate(o)
	if err != nil {
		return nil, err
	}
	index, err := topology.NewIndex(e.Inventory(false))
	if err != nil {
		return nil, err
	}
	edges, probes := e.Edges()
	since, until := e.Window()
	in := mapper.Input{Since: since, Until: until, Edges: edges, Probes: probes, Names: e.Names(), Index: index}
	start := time.Now()
	m, err := mapper.Build(in, mapper.Options{})
	return &mapped{e, e.Truth(), m, time.Since(start)}, err
}

func estateSection(r *report, cases []estateCase) error {
	var rows [][]string
	for _, c := range cases {
		row, err := estateRow(c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		rows = append(rows, row)
	}
	r.heading("Roles, applications and shared infrastructure of the estates")
	r.table([]string{"estate", "nodes", "dependencies", "applications ARI", "V", "Louvain ARI", "components ARI", "roles ARI", "V", "infra precision", "infra recall", "infra kind right"}, rows)
	return nil
}

func estateRow(c estateCase) ([]string, error) {
	x, err := mapEstate(c.options)
	if err != nil {
		return nil, err
	}
	g := &x.m.Graph
	apps := x.applications(x.m.AppOf)
	appV, _, _ := apps.V()
	roles := x.roles()
	roleV, _, _ := roles.V()
	louvain, components := "-", "-"
	if c.baseline {
		louvain = two(x.applications(baseline.Louvain(g, 1)).ARI())
		components = two(x.applications(baseline.Components(g)).ARI())
	}
	infra, kinds := x.infrastructure()
	return []string{c.name, fmt.Sprint(len(g.Nodes)), fmt.Sprint(len(g.Deps)), two(apps.ARI()), two(appV), louvain, components,
		two(roles.ARI()), two(roleV), two(infra.Precision()), two(infra.Recall()), percent(kinds, infra.Right)}, nil
}

// applications compares a partition of the nodes with app/env of every workload
// that is not shared infrastructure. Nodes in no group stand alone.
func (x *mapped) applications(of []int32) *score.Table {
	var want []string
	var got []int32
	for i, n := range x.m.Graph.Nodes {
		if _, labelled := x.truth.Labels[n.ID]; !labelled || x.shared(n.ID) {
			continue
		}
		want, got = append(want, x.truth.Application(n.ID)), append(got, alone(of, i))
	}
	return score.Compare(want, got)
}

// shared reports infrastructure that belongs to no application. A load balancer
// in front of one application is part of it.
func (x *mapped) shared(id string) bool {
	kind, ok := x.truth.Infrastructure[id]
	return ok && kind != mapper.KindBalancer
}

// roles compares the map's roles with app/env/role of every workload.
func (x *mapped) roles() *score.Table {
	var want []string
	var got []int32
	for i, n := range x.m.Graph.Nodes {
		if _, labelled := x.truth.Labels[n.ID]; labelled {
			want, got = append(want, x.truth.Role(n.ID)), append(got, alone(x.m.RoleOf, i))
		}
	}
	return score.Compare(want, got)
}

// alone gives nodes without a group one of their own.
func alone(of []int32, i int) int32 {
	if of[i] < 0 {
		return int32(-2 - i)
	}
	return of[i]
}

// infrastructure compares the findings with the truth, and counts those whose
// kind is right too.
func (x *mapped) infrastructure() (score.Found, int) {
	want, got, kinds := map[string]bool{}, map[string]bool{}, 0
	for id := range x.truth.Infrastructure {
		want[id] = true
	}
	for _, f := range x.m.Infrastructure {
		id := x.m.Graph.Nodes[f.Node].ID
		got[id] = true
		if x.truth.Infrastructure[id] == f.Kind {
			kinds++
		}
	}
	return score.Sets(want, got), kinds
}
