package mapper_test

import (
	"testing"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

// The operator's labels win: with all workloads labelled, applications and roles
// are what the labels say, infrastructure included.
func TestLabelsWin(t *testing.T) {
	in, e := estateInput(t, scenario.Options{})
	x, err := topology.NewIndex(e.Inventory(true))
	if err != nil {
		t.Fatal(err)
	}
	in.Index = x
	m := build(t, in)
	for i, n := range m.Graph.Nodes {
		if len(n.Labels) == 0 || m.RoleOf[i] < 0 {
			continue
		}
		a := m.AppOf[i]
		if a < 0 || m.Applications[a].Name != n.Labels["app"] || m.Applications[a].Env != n.Labels["env"] {
			t.Errorf("%s (%s) is in application %d", n.ID, n.Labels, a)
		}
		if r := m.Roles[m.RoleOf[i]].Name; r != n.Labels["role"] {
			t.Errorf("%s (%s) has role %s", n.ID, n.Labels, r)
		}
	}
	for _, p := range m.Proposals {
		if n := m.Graph.Nodes[p.Node]; n.Labels[p.Key] != "" {
			t.Errorf("%s is labelled %s and gets a proposal for it", n.ID, p.Key)
		}
	}
}

// Every inside node whose part is known has an application and a role to name it
// by in a policy, shared infrastructure too.
func TestEverythingKnownIsLabelled(t *testing.T) {
	in, e := estateInput(t, scenario.Options{})
	m := build(t, in)
	truth := e.Truth()
	for i, n := range m.Graph.Nodes {
		if _, ok := truth.Labels[n.ID]; ok && (m.Labels[i]["app"] == "" || m.Labels[i]["role"] == "") {
			t.Errorf("%s has only %s", n.ID, m.Labels[i])
		}
	}
}

func TestPinsAndRefusals(t *testing.T) {
	in, _ := estateInput(t, scenario.Options{})
	in.Decisions = mapper.Decisions{
		Pins:           map[string]string{"shop-web01": "front", "shop-api01": "back"},
		Refused:        map[string]map[string]string{"payments-db01": {"app": "payments"}},
		Infrastructure: []mapper.InfrastructureDecision{{Node: "mon01", Accept: false}, {Node: "shop-db01", Kind: "backup", Accept: true}},
	}
	m := build(t, in)
	at := map[string]int32{}
	for i, n := range m.Graph.Nodes {
		at[n.ID] = int32(i)
	}
	if m.AppOf[at["shop-web01"]] == m.AppOf[at["shop-api01"]] {
		t.Error("different pins are in one application")
	}
	if l := m.Labels[at["payments-db01"]]; l["app"] != "" {
		t.Errorf("refused label came back: %s", l)
	}
	for _, f := range m.Infrastructure {
		if f.Node == at["mon01"] {
			t.Errorf("refused finding came back: %+v", f)
		}
	}
	if a := m.AppOf[at["shop-db01"]]; m.Applications[a].Infrastructure != "backup" {
		t.Errorf("accepted finding is in application %+v", m.Applications[a])
	}
}
