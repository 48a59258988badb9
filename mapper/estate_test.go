package mapper_test

import (
	"testing"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

// estateInput is the mapper's input for an estate as an asset database without
// roles and applications would give it.
func estateInput(t testing.TB, o scenario.Options) (mapper.Input, *scenario.Estate) {
	t.Helper()
	e, err := scenario.Generate(o)
	if err != nil {
		t.Fatal(err)
	}
	x, err := topology.NewIndex(e.Inventory(false))
	if err != nil {
		t.Fatal(err)
	}
	edges, probes := e.Edges()
	since, until := e.Window()
	return mapper.Input{Since: since, Until: until, Edges: edges, Probes: probes, Names: e.Names(), Index: x}, e
}

func TestBuildEstate(t *testing.T) {
	in, e := estateInput(t, scenario.Options{})
	m, err := mapper.Build(in, mapper.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d nodes, %d deps, %d roles, %d applications, %d infrastructure", len(m.Graph.Nodes), len(m.Graph.Deps), len(m.Roles), len(m.Applications), len(m.Infrastructure))
	truth := e.Truth()
	for _, a := range m.Applications {
		count := map[string]int{}
		for _, i := range a.Members {
			count[truth.Role(m.Graph.Nodes[i].ID)]++
		}
		t.Logf("app %s/%s: %v", a.Name, a.Env, count)
	}
	for _, f := range m.Infrastructure {
		t.Logf("infra %s %s (truth %q): %s", m.Graph.Nodes[f.Node].ID, f.Kind, truth.Infrastructure[m.Graph.Nodes[f.Node].ID], f.Why)
	}
}
