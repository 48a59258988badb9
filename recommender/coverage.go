package recommender

import (
	"cmp"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// identify gives each node its identity under e.
func identify(e *policy.Evaluator, m *topology.Map) []policy.Identity {
	ids := make([]policy.Identity, len(m.Graph.Nodes))
	for i := range ids {
		p := PartyOf(m, int32(i))
		ids[i] = e.Identify(&p)
	}
	return ids
}

// coverage counts what e allows of the dependencies it touches: all of them
// first, then those at either end of which a policy stands.
func coverage(e *policy.Evaluator, ids []policy.Identity, m *topology.Map) []policy.Coverage {
	var all policy.Coverage
	each := map[string]*policy.Coverage{}
	for i := range m.Graph.Deps {
		d := &m.Graph.Deps[i]
		v := e.Judge(ids[d.Client], ids[d.Server], d.Service, "", "")
		if v.Outcome == policy.Untouched {
			continue
		}
		count(&all, d, v)
		for _, p := range touching(e, ids[d.Client], ids[d.Server]) {
			if each[p.Name] == nil {
				each[p.Name] = &policy.Coverage{Policy: p.Name}
			}
			count(each[p.Name], d, v)
		}
	}
	out := []policy.Coverage{all}
	for _, c := range each {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b policy.Coverage) int { return cmp.Compare(a.Policy, b.Policy) })
	return out
}

func count(c *policy.Coverage, d *topology.Dependency, v policy.Verdict) {
	c.Connections += d.Flows
	c.Dependencies++
	if v.Outcome == policy.Allowed {
		c.Allowed += d.Flows
		c.AllowedDeps++
	}
}

// touching are the policies that decide about a dependency: the server's, and the
// client's where they restrict its egress.
func touching(e *policy.Evaluator, client, server policy.Identity) []*policy.Policy {
	in := e.Protected(server)
	out := slices.Clip(in)
	for _, p := range e.Protected(client) {
		if p.Egress == policy.EgressRestrict && !slices.Contains(in, p) {
			out = append(out, p)
		}
	}
	return out
}
