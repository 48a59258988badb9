package mapper_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

func findings(m *topology.Map) map[string]topology.Finding {
	out := map[string]topology.Finding{}
	for _, f := range m.Infrastructure {
		out[m.Graph.Nodes[f.Node].ID] = f
	}
	return out
}

// An accepted finding keeps the reason that was found, a modified one is what the
// operator says, a refused one goes back among the applications.
func TestInfrastructureIsDecided(t *testing.T) {
	in, _ := estateInput(t, scenario.Options{})
	before := findings(build(t, in))
	in.Decisions.Infrastructure = []topology.InfrastructureDecision{
		{Node: "dc01", Kind: mapper.KindDirectory, Accept: true, Reason: "known"},
		{Node: "mon01", Kind: mapper.KindConfig, Accept: true},
		{Node: "shop-web01", Kind: mapper.KindProxy, Accept: true},
		{Node: "bak01", Accept: false},
		{Node: "not-there", Accept: true},
	}
	m := build(t, in)
	got := findings(m)
	if want := "accepted by the operator (known): " + before["dc01"].Why; got["dc01"].Why != want || got["dc01"].Kind != mapper.KindDirectory {
		t.Errorf("dc01: %+v, want %q", got["dc01"], want)
	}
	for node, kind := range map[string]string{"mon01": mapper.KindConfig, "shop-web01": mapper.KindProxy} {
		if f := got[node]; f.Kind != kind || f.Confidence != 1 {
			t.Errorf("%s: %+v, want %s", node, f, kind)
		}
	}
	if f, ok := got["bak01"]; ok {
		t.Errorf("refused and found again: %+v", f)
	}
	if n := len(before) + 1; len(got) != n-boolInt(before["bak01"].Kind != "") {
		t.Errorf("%d findings of %d before", len(got), len(before))
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pinAll accepts every application and role of a map.
func pinAll(m *topology.Map) mapper.Decisions {
	d := mapper.Decisions{Pins: map[string]string{}, RolePins: map[string]string{}, Names: map[string]string{}}
	for _, a := range m.Applications {
		for _, i := range a.Members {
			d.Pins[m.Graph.Nodes[i].ID] = a.ID
		}
	}
	for _, r := range m.Roles {
		for _, i := range r.Members {
			d.RolePins[m.Graph.Nodes[i].ID] = r.ID
		}
	}
	return d
}

// Groups that were accepted stay together, under their identity and name, over
// runs in which traffic comes, goes and points elsewhere, with and without the map
// of the run before.
func TestAcceptedGroupsHoldOverRuns(t *testing.T) {
	in, _ := estateInput(t, scenario.Options{})
	first := build(t, in)
	in.Decisions = pinAll(first)
	renamed := first.Applications[0].ID
	in.Decisions.Names[renamed] = "renamed"
	apps, roles := groupsOf(first)
	previous := first
	for run, o := range []scenario.Options{{Days: 2}, {Days: 9, Noise: scenario.Noise{OneWay: 0.3}}, {Noise: scenario.Noise{NoNames: true, MissingDays: 4}}} {
		next, _ := estateInput(t, o)
		next.Decisions, next.Index = in.Decisions, in.Index
		if run != 1 {
			next.Previous = previous
		}
		m := build(t, next)
		t.Run(fmt.Sprint(run), func(t *testing.T) { sameGroups(t, m, apps, roles) })
		for _, a := range m.Applications {
			if (a.ID == renamed) != (a.Name == "renamed") {
				t.Errorf("run %d: application %s is called %s", run, a.ID, a.Name)
			}
			if !a.Pinned && strings.HasPrefix(apps[m.Graph.Nodes[a.Members[0]].ID], "app-") {
				t.Errorf("run %d: application %s was accepted and is not pinned", run, a.Name)
			}
		}
		previous = m
	}
}

// groupsOf gives the identities of the application and role of every node by id.
func groupsOf(m *topology.Map) (apps, roles map[string]string) {
	apps, roles = map[string]string{}, map[string]string{}
	for i := range m.Graph.Nodes {
		if a := m.AppOf[i]; a >= 0 {
			apps[m.Graph.Nodes[i].ID] = m.Applications[a].ID
		}
		if r := m.RoleOf[i]; r >= 0 {
			roles[m.Graph.Nodes[i].ID] = m.Roles[r].ID
		}
	}
	return apps, roles
}

func sameGroups(t *testing.T, m *topology.Map, apps, roles map[string]string) {
	t.Helper()
	gotApps, gotRoles := groupsOf(m)
	compared := 0
	for i := range m.Graph.Nodes {
		id := m.Graph.Nodes[i].ID
		if _, known := roles[id]; known {
			compared++
		}
		if want, known := apps[id]; known && gotApps[id] != want {
			t.Errorf("%s was accepted in application %s and is in %s", id, want, gotApps[id])
		}
		if want, known := roles[id]; known && gotRoles[id] != want {
			t.Errorf("%s was accepted in role %s and is in %s", id, want, gotRoles[id])
		}
	}
	if compared < 250 {
		t.Errorf("only %d nodes were there before", compared)
	}
}

// What was never accepted may join an accepted group, and a label takes a member
// out of it.
func TestPinsGiveWayToLabelsAndTakeNewcomers(t *testing.T) {
	in, e := estateInput(t, scenario.Options{})
	first := build(t, in)
	in.Decisions = pinAll(first)
	delete(in.Decisions.Pins, "payments-api01")
	delete(in.Decisions.RolePins, "payments-api01")
	inv := e.Inventory(false)
	for i := range inv.Workloads {
		if inv.Workloads[i].ID == "shop-web01" {
			inv.Workloads[i].Labels = inv.Workloads[i].Labels.Merge(topology.Labels{"app": "mine"})
		}
	}
	var err error
	if in.Index, err = topology.NewIndex(inv); err != nil {
		t.Fatal(err)
	}
	m := build(t, in)
	was, _ := groupsOf(first)
	got, _ := groupsOf(m)
	if got["payments-api01"] != was["payments-api01"] {
		t.Errorf("payments-api01 is in %s, its neighbours were accepted in %s", got["payments-api01"], was["payments-api01"])
	}
	for i, n := range m.Graph.Nodes {
		if n.ID == "shop-web01" && m.Applications[m.AppOf[i]].Name != "mine" {
			t.Errorf("shop-web01 is labelled mine and in %s", m.Applications[m.AppOf[i]].Name)
		}
	}
}
