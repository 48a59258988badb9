package change

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

func stagedPolicy(app string, stage policy.Stage, ports ...uint16) policy.Policy {
	p := policy.Policy{Name: app + "-prod", Scope: policy.Select(topology.Labels{"app": app}), Stage: stage}
	for _, port := range ports {
		p.Rules = append(p.Rules, policy.Rule{Name: fmt.Sprintf("p%d", port), From: []policy.Peer{{Any: true}}, To: []policy.Peer{{Selector: p.Scope}},
			Services: []policy.Service{{Proto: flow.TCP, From: port, To: port}}})
	}
	return p
}

func setOf(list ...policy.Policy) *policy.Set {
	return (&policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed(), Policies: list}).Normal()
}

// estate is two applications of three workloads each; everything asks payments.
func estate() *topology.Map {
	m := &topology.Map{}
	for _, app := range []string{"payments", "wiki"} {
		for i := range 3 {
			l := topology.Labels{"app": app, "role": []string{"web", "web", "db"}[i]}
			m.Graph.Nodes = append(m.Graph.Nodes, topology.Node{ID: fmt.Sprintf("%s%d", app, i), Name: fmt.Sprintf("%s%d", app, i), Labels: l})
			m.Labels = append(m.Labels, l)
			p := topology.PriorityLow
			if app == "payments" {
				p = topology.PriorityCritical
			}
			m.Priorities = append(m.Priorities, p)
		}
	}
	for client := range int32(3) {
		m.Graph.Deps = append(m.Graph.Deps, topology.Dependency{Client: 3 + client, Server: 0, Service: flow.Service{Proto: flow.TCP, Port: 443}})
	}
	return m
}

// Segments are taken from what can break nothing to what most hangs on, each with
// its reasons.
func TestSegmentsComeInOrderOfRisk(t *testing.T) {
	before := setOf(stagedPolicy("old", policy.Enforce), stagedPolicy("wiki", policy.Monitor))
	after := setOf(stagedPolicy("payments", policy.Enforce, 443), stagedPolicy("wiki", policy.Enforce, 80), stagedPolicy("shop", policy.Monitor))
	m := estate()
	sim := &policy.Simulation{Since: 1, Until: 2, Nodes: m.Graph.Nodes, Rows: []policy.SimRow{
		{Class: policy.ClassWouldBreak, Verdict: policy.Verdict{Policy: "payments-prod"}, Connections: 7},
		{Class: policy.ClassWouldBreak, Concern: policy.ConcernVendor, Verdict: policy.Verdict{Policy: "wiki-prod"}, Connections: 9},
	}}
	var c Change
	c.Plan(Input{Before: before, After: after, Map: m, Simulation: sim, Readiness: []policy.Readiness{{Policy: "wiki-prod", AtRisk: 0.5, Coverage: 0.9}}, Canary: 0.1, Seed: "x"})
	var got []string
	for _, s := range c.Segments {
		got = append(got, string(s.Kind)+" "+s.Policy)
	}
	if d := cmp.Diff([]string{"lifts old-prod", "monitors shop-prod", "enforces wiki-prod", "enforces payments-prod"}, got); d != "" {
		t.Fatalf("order (-want +got):\n%s", d)
	}
	pay := c.Segments[3]
	if pay.Breaks.Dependencies != 1 || pay.Dependents != 3 || pay.Workloads != 3 || !strings.Contains(pay.Why[0], "critical") {
		t.Errorf("payments: %+v", pay)
	}
	if len(pay.Canary) != 1 || pay.Canary[0] == "payments2" {
		t.Errorf("canary %v, want one web server: the only database stays out", pay.Canary)
	}
	if len(c.Forecast.Violations) != 2 || len(c.Effects) == 0 {
		t.Errorf("forecast %+v, effects %v", c.Forecast, c.Effects)
	}
}

// After n segments the others are as before, and new ones only watch.
func TestPartOfAChange(t *testing.T) {
	before := setOf(stagedPolicy("old", policy.Enforce), stagedPolicy("wiki", policy.Enforce, 80))
	after := setOf(stagedPolicy("payments", policy.Enforce, 443), stagedPolicy("wiki", policy.Enforce, 80, 443))
	c := Change{ID: "c1", Policy: string(policy.Format(after)), Base: string(policy.Format(before))}
	c.Plan(Input{Before: before, After: after})
	if len(c.Segments) != 3 {
		t.Fatalf("segments %+v", c.Segments)
	}
	stages := func(n int) string {
		s, err := c.At(n)
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, p := range s.Policies {
			words = append(words, fmt.Sprintf("%s:%s:%d", p.Name, p.Stage, len(p.Rules)))
		}
		return strings.Join(words, " ")
	}
	if got := stages(0); got != "old-prod:enforce:0 payments-prod:monitor:1 wiki-prod:enforce:1" {
		t.Errorf("before the first segment: %s", got)
	}
	if got := stages(1); strings.Contains(got, "old-prod") {
		t.Errorf("after the first: %s, want what is lifted gone", got)
	}
	end, err := c.At(3)
	if err != nil || end.Hash() != after.Hash() {
		t.Errorf("after the last: %v, not what was planned", err)
	}
	if _, err := c.At(4); err == nil {
		t.Error("a fourth of three segments")
	}
}

// Whatever the share, one of each role is kept out, and the choice is the same
// every time.
func TestCanaryKeepsOneOfEachRoleOut(t *testing.T) {
	roles := map[string][]string{"db": {"db1"}, "web": {"w1", "w2", "w3", "w4", "w5"}, "api": {"a1", "a2"}}
	for _, share := range []float64{0.01, 0.3, 1} {
		got := Canary(roles, share, "seed")
		if !slices.Equal(got, Canary(roles, share, "seed")) {
			t.Errorf("share %g: another choice the second time", share)
		}
		if len(got) == 0 || slices.Contains(got, "db1") {
			t.Errorf("share %g chooses %v", share, got)
		}
		for role, members := range roles {
			if !slices.ContainsFunc(members, func(id string) bool { return !slices.Contains(got, id) }) {
				t.Errorf("share %g takes all of %s", share, role)
			}
		}
	}
	if got := Canary(roles, 0, "seed"); len(got) != 0 {
		t.Errorf("no share chooses %v", got)
	}
	if got := Canary(map[string][]string{"db": {"db1"}}, 1, "seed"); len(got) != 0 {
		t.Errorf("the only one of its role is a canary: %v", got)
	}
}

func TestStateFollowsTheSteps(t *testing.T) {
	c := Change{Segments: make([]Segment, 2)}
	for _, step := range []struct {
		event   string
		segment int
		want    string
	}{{"planned", 0, Planned}, {"applied", 1, Waiting}, {"confirmed", 1, Partly}, {"applied", 2, Waiting}, {"confirmed", 2, Done}, {"rolled-back", 0, RolledBack}} {
		host := "h"
		if step.event == "planned" {
			host = ""
		}
		c.Steps = append(c.Steps, Step{Event: step.event, Host: host, Segment: step.segment})
		if got, _ := c.On("h"); got != step.want {
			t.Errorf("after %s %d: %s, want %s", step.event, step.segment, got, step.want)
		}
	}
	c.Steps = append(c.Steps, Step{Event: "applied", Host: "other", Segment: 1})
	if c.State() != Partly {
		t.Errorf("two hosts that differ are %s", c.State())
	}
}
