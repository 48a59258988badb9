package mapper

import (
	"fmt"

	"github.com/bulkhead/bulkhead/topology"
)

// propose fills Map.Proposals with a value for every key an inside node lacks and
// its group suggests, and Map.Labels with the effective labels.
func (w *work) propose() {
	m := w.m
	m.Labels = make([]topology.Labels, len(w.nodes))
	for i := range w.nodes {
		proposed := topology.Labels{}
		if w.nodes[i].Inside() && m.RoleOf[i] >= 0 {
			for _, p := range w.proposalsFor(int32(i)) {
				m.Proposals = append(m.Proposals, p)
				proposed[p.Key] = p.Value
			}
		}
		m.Labels[i] = proposed.Merge(w.nodes[i].Labels)
	}
}

func (w *work) proposalsFor(i int32) []topology.Proposal {
	m := w.m
	role := &m.Roles[m.RoleOf[i]]
	var out []topology.Proposal
	add := func(key, value string, confidence float64, why string) {
		if value != "" && w.nodes[i].Labels[key] == "" && w.in.Decisions.Refused[w.nodes[i].ID][key] != value {
			out = append(out, topology.Proposal{Node: i, Key: key, Value: value, Confidence: confidence, Why: why})
		}
	}
	fit := w.fit(i)
	add(topology.LabelRole, role.Name, fit, fmt.Sprintf("behaves like the %d of role %s: %s", len(role.Members), role.Name, role.Why))
	if a := m.AppOf[i]; a >= 0 {
		app := &m.Applications[a]
		add(topology.LabelApp, app.Name, fit, fmt.Sprintf("one of %s", app.Why))
		if env := w.env(i); env == "" {
			add(topology.LabelEnv, app.Env, fit*0.9, fmt.Sprintf("the rest of %s is %s", app.Name, app.Env))
		}
	}
	if env := w.names[i].env; env != "" {
		add(topology.LabelEnv, env, 0.9, fmt.Sprintf("its name %q says so", w.nodes[i].Name))
	}
	return out
}

// fit is how much more of node i's dependencies lie in its own application than
// in the nearest other one, 0..1: (own - next)/(own + next), moved to 0.5..1.
func (w *work) fit(i int32) float64 {
	own, other := 0.0, map[int32]float64{}
	count := func(peer int32) {
		switch a := w.m.AppOf[peer]; {
		case a < 0:
		case a == w.m.AppOf[i]:
			own++
		default:
			other[a]++
		}
	}
	from, to := w.adj.uses(i)
	for d := from; d < to; d++ {
		count(w.deps[d].Server)
	}
	for _, d := range w.adj.serves(i) {
		count(w.deps[d].Client)
	}
	next := 0.0
	for _, n := range other {
		next = max(next, n)
	}
	if own+next == 0 {
		return 0.5
	}
	return 0.5 + 0.5*max(own-next, 0)/(own+next)
}
