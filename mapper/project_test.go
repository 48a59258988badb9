package mapper_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

var asIs = []cmp.Option{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.EquateEmpty()}

func build(t testing.TB, in mapper.Input) *topology.Map {
	t.Helper()
	m, err := mapper.Build(in, mapper.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestProjectOntoTheSameWindowChangesNothing(t *testing.T) {
	in, _ := estateInput(t, scenario.Options{})
	want := build(t, in)
	got, err := mapper.Project(want, in, mapper.Options{})
	if err != nil {
		t.Fatal(err)
	}
	byNode := func(m *topology.Map) map[string][]string {
		out := map[string][]string{}
		for i, n := range m.Graph.Nodes {
			row := []string{m.Labels[i].String(), m.Priorities[i].String(), "", ""}
			if r := m.RoleOf[i]; r >= 0 {
				row[2] = m.Roles[r].ID
			}
			if a := m.AppOf[i]; a >= 0 {
				row[3] = m.Applications[a].ID
			}
			out[n.ID] = row
		}
		return out
	}
	if diff := cmp.Diff(byNode(want), byNode(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.Infrastructure, got.Infrastructure); diff != "" {
		t.Errorf("infrastructure (-want +got):\n%s", diff)
	}
}

func TestProjectKeepsLabelsInAShorterWindow(t *testing.T) {
	in, _ := estateInput(t, scenario.Options{})
	ref := build(t, in)
	few := in
	few.Edges = in.Edges[:len(in.Edges)/3]
	few.Probes = nil
	m, err := mapper.Project(ref, few, mapper.Options{})
	if err != nil {
		t.Fatal(err)
	}
	label := map[string]string{}
	for i, n := range ref.Graph.Nodes {
		label[n.ID] = ref.Labels[i].String()
	}
	for i, n := range m.Graph.Nodes {
		if got := m.Labels[i].String(); got != label[n.ID] {
			t.Errorf("%s: %q, was %q", n.ID, got, label[n.ID])
		}
	}
	for a := range m.Applications {
		if len(m.Applications[a].Members) == 0 {
			t.Errorf("application %s carried over without members", m.Applications[a].Name)
		}
	}
}

func TestMapRoundTripsThroughJSON(t *testing.T) {
	in, _ := estateInput(t, scenario.Options{})
	want := build(t, in)
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := &topology.Map{}
	if err := json.Unmarshal(b, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, asIs...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBuildDoesNotDependOnOrder(t *testing.T) {
	in, _ := estateInput(t, scenario.Options{})
	want := build(t, in)
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(in.Edges), func(i, j int) { in.Edges[i], in.Edges[j] = in.Edges[j], in.Edges[i] })
	r.Shuffle(len(in.Probes), func(i, j int) { in.Probes[i], in.Probes[j] = in.Probes[j], in.Probes[i] })
	r.Shuffle(len(in.Names), func(i, j int) { in.Names[i], in.Names[j] = in.Names[j], in.Names[i] })
	if diff := cmp.Diff(want, build(t, in), asIs...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
