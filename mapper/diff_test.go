package mapper_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

func TestDiffOfOneMapIsEmpty(t *testing.T) {
	in, _ := estateInput(t, scenario.Options{})
	m := build(t, in)
	if diff := cmp.Diff(mapper.Difference{}, mapper.Diff(m, m)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDiffTellsANewClient(t *testing.T) {
	in, e := estateInput(t, scenario.Options{})
	before := build(t, in)
	var db flow.Edge
	for _, x := range e.Truth().Edges {
		if x.ServerID == "payments-db01" && x.Service.Port == 5432 && strings.HasPrefix(x.ClientID, "payments-switch") {
			db = x.Edge
		}
	}
	if db.Flows == 0 {
		t.Fatal("the estate has no payments-db01")
	}
	in.Edges = slices.Clone(in.Edges)
	db.Client = in.Edges[0].Client
	in.Edges = append(in.Edges, db)
	in.Previous = before
	d := mapper.Diff(before, build(t, in))
	if len(d.NewDependencies) != 1 || d.NewDependencies[0].Server != "payments-db01" || len(d.NewNodes) != 0 {
		t.Errorf("%+v", d)
	}
	want := "payments-db01 gained a client: "
	if !slices.ContainsFunc(d.Words, func(s string) bool { return strings.HasPrefix(s, want) }) {
		t.Errorf("no %q in %q", want, d.Words)
	}
}

// A second run over other days keeps identities and names.
func TestIdentitiesAreStable(t *testing.T) {
	for name, noise := range map[string]scenario.Noise{"names": {}, "no names": {NoNames: true}} {
		in, _ := estateInput(t, scenario.Options{Noise: noise})
		first := build(t, in)
		noise.MissingDays = 3
		later, _ := estateInput(t, scenario.Options{Noise: noise})
		later.Previous = first
		second := build(t, later)
		if d := mapper.Diff(first, second); len(d.Moved) > len(second.Graph.Nodes)/20 {
			t.Errorf("%s: %d of %d nodes moved: %v", name, len(d.Moved), len(second.Graph.Nodes), d.Moved)
		}
		seen := map[string]bool{}
		for _, a := range second.Applications {
			if key := mapper.AppTitle(&a); seen[key] {
				t.Errorf("%s: two applications are called %s", name, key)
			} else {
				seen[key] = true
			}
		}
	}
}

// star: client a and b use server s; s uses dns server d of everybody.
func TestPathAndNeighbourhood(t *testing.T) {
	m := &topology.Map{Graph: topology.Graph{
		Nodes: make([]topology.Node, 6),
		Deps:  []topology.Dependency{{Client: 0, Server: 2}, {Client: 1, Server: 2}, {Client: 2, Server: 3}, {Client: 2, Server: 5}, {Client: 3, Server: 4}, {Client: 4, Server: 5}},
	}, Infrastructure: []topology.Finding{{Node: 5}}}
	for _, c := range []struct {
		from, to int32
		want     []int32
		ok       bool
	}{{0, 4, []int32{0, 2, 4}, true}, {4, 0, nil, false}, {1, 5, []int32{1, 3}, true}, {3, 3, nil, true}} {
		got, ok := mapper.Path(m, c.from, c.to)
		if diff := cmp.Diff(c.want, got); diff != "" || ok != c.ok {
			t.Errorf("Path(%d, %d) ok=%v (-want +got):\n%s", c.from, c.to, ok, diff)
		}
	}
	for _, c := range []struct {
		hops, limit int
		want        []int32
	}{{1, 0, []int32{0, 2}}, {2, 0, []int32{0, 1, 2, 3, 5}}, {3, 0, []int32{0, 1, 2, 3, 4, 5}}, {3, 2, []int32{0, 2}}} {
		if diff := cmp.Diff(c.want, mapper.Neighbourhood(m, 0, c.hops, c.limit)); diff != "" {
			t.Errorf("Neighbourhood %d hops limit %d (-want +got):\n%s", c.hops, c.limit, diff)
		}
	}
	if got := mapper.Neighbourhood(m, 0, 2, 0); slices.Contains(got, 4) {
		t.Error("went through infrastructure")
	}
}

// What was new and what fell silent since a moment, of one estate: a scanner's finds
// are told apart, a dependency that missed a day is not silent.
func TestSinceTellsWhatIsNewAndWhatFellSilent(t *testing.T) {
	day := func(n int) flow.Time { return flow.TimeOf(time.Date(2026, 11, 2+n, 0, 0, 0, 0, time.UTC)) } // 2 November is a Monday
	edge := func(client, server string, first, last, days int) flow.Edge {
		e := seen(ip("%s", client), ip("%s", server), 0, 443)
		e.First, e.Last, e.Days = day(first), day(last), uint32(days)
		return e
	}
	regular, fresh := edge("10.0.0.1", "10.0.0.9", 0, 20, 15), edge("10.0.0.2", "10.0.0.9", 15, 20, 4)
	stopped, rare := edge("10.0.0.3", "10.0.0.9", 0, 13, 12), edge("10.0.0.4", "10.0.0.9", 0, 9, 3)
	ref := build(t, mapper.Input{Since: day(0), Until: day(21), Edges: []flow.Edge{regular, fresh, stopped, rare}})
	project := func(until flow.Time, edges ...flow.Edge) *topology.Map {
		m, err := mapper.Project(ref, mapper.Input{Since: day(0), Until: until, Edges: edges}, mapper.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	d := mapper.Since(project(day(14), regular, stopped, rare), project(day(21), regular, fresh, stopped, rare), day(14))
	tls := flow.Service{Proto: flow.TCP, Port: 443}
	want := mapper.Difference{
		NewNodes:        []string{"10.0.0.2"},
		NewDependencies: []mapper.DependencyName{{Client: "10.0.0.2", Server: "10.0.0.9", Service: tls}},
		Quiet:           []mapper.DependencyName{{Client: "10.0.0.3", Server: "10.0.0.9", Service: tls}},
		Words:           []string{"1 new workload", "1 new dependency", "1 regular dependency fell silent", "10.0.0.9 gained a client: 10.0.0.2"},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is outside the estate is no workload of it.
func TestDiffTellsWorkloadsFromTheOutside(t *testing.T) {
	inside := topology.Node{ID: "web1", Kind: topology.NodeWorkload}
	before := &topology.Map{Graph: topology.Graph{Nodes: []topology.Node{inside}}}
	after := &topology.Map{Graph: topology.Graph{Nodes: []topology.Node{inside,
		{ID: "10.0.0.7", Kind: topology.NodeAddress}, {ID: "domain:news.example", Kind: topology.NodeNetwork}}}}
	for i := range after.Graph.Nodes {
		after.RoleOf, after.AppOf = append(after.RoleOf, -1), append(after.AppOf, -1)
		if i < 1 {
			before.RoleOf, before.AppOf = append(before.RoleOf, -1), append(before.AppOf, -1)
		}
	}
	d := mapper.Diff(before, after)
	want := []string{"1 new workload", "1 new name or network outside"}
	if diff := cmp.Diff(want, d.Words); diff != "" || !slices.Equal(d.NewNodes, []string{"10.0.0.7"}) || !slices.Equal(d.NewOutside, []string{"domain:news.example"}) {
		t.Errorf("new %v, outside %v, words (-want +got):\n%s", d.NewNodes, d.NewOutside, diff)
	}
}
