package mapper

import (
	"fmt"
	"math"

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

// fit is how much more of what node i does lies in its own application than in the
// nearest other one: (own - next)/(own + next), moved to 0.5..1. Infrastructure
// and people's machines are counted nowhere, and what happens often counts more.
// A node that deals with nothing else has 0.6 where it is like others, and so have
// members of special groups, which are not made of dependencies.
func (w *work) fit(i int32) float64 {
	a := w.m.AppOf[i]
	if a < 0 || w.m.Applications[a].Infrastructure != "" || w.people[w.role[i]] {
		return w.special(i)
	}
	own, other := 0.0, map[int32]float64{}
	count := func(d, peer int32) {
		b := w.m.AppOf[peer]
		if b < 0 || w.setAside(peer) || w.people[w.role[peer]] || w.passing(d) {
			return
		}
		if weight := math.Sqrt(float64(w.deps[d].Flows)); b == a {
			own += weight
		} else {
			other[b] += weight
		}
	}
	from, to := w.adj.uses(i)
	for d := from; d < to; d++ {
		count(d, w.deps[d].Server)
	}
	for _, d := range w.adj.serves(i) {
		count(d, w.deps[d].Client)
	}
	next := 0.0
	for _, n := range other {
		next = max(next, n)
	}
	if own+next == 0 {
		return w.special(i)
	}
	return 0.5 + 0.5*max(own-next, 0)/(own+next)
}

// special is the confidence in a group that is not made of dependencies: the
// finding's own, or by how many are alike.
func (w *work) special(i int32) float64 {
	if k := w.infra[i]; k >= 0 {
		return w.m.Infrastructure[k].Confidence
	}
	if w.role[i] >= 0 && len(w.m.Roles[w.m.RoleOf[i]].Members) > 3 {
		return 0.8
	}
	return 0.6
}
