package recommender_test

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// estateMap is the map a perfect mapper would make of a generated estate: nodes,
// labels, infrastructure and priorities are the truth's.
func estateMap(t testing.TB, o scenario.Options) (*topology.Map, []flow.Probe, *scenario.Estate) {
	t.Helper()
	e, err := scenario.Generate(o)
	if err != nil {
		t.Fatal(err)
	}
	inv, truth := e.Inventory(true), e.Truth()
	x, err := topology.NewIndex(inv)
	if err != nil {
		t.Fatal(err)
	}
	edges, probes := e.Edges()
	m := &topology.Map{}
	m.Since, m.Until = e.Window()
	at := map[string]int32{}
	nodeOf := func(p flow.Party, when flow.Time) string {
		n := describe(x, p, when)
		if _, ok := at[n.ID]; !ok {
			at[n.ID] = 0
			m.Graph.Nodes = append(m.Graph.Nodes, n)
		}
		return n.ID
	}
	type named struct {
		client, server string
		flow.Edge
	}
	var list []named
	for _, ed := range edges {
		list = append(list, named{nodeOf(ed.Client, ed.Last), nodeOf(ed.Server, ed.Last), ed})
	}
	slices.SortFunc(m.Graph.Nodes, func(a, b topology.Node) int { return cmp.Compare(a.ID, b.ID) })
	for i, n := range m.Graph.Nodes {
		at[n.ID] = int32(i)
		m.Labels = append(m.Labels, n.Labels)
		m.Priorities = append(m.Priorities, priorityOf(n, truth))
		if kind := truth.Infrastructure[n.ID]; kind != "" {
			m.Infrastructure = append(m.Infrastructure, topology.Finding{Node: int32(i), Kind: kind})
		}
	}
	byTriple := map[[3]any]int{}
	for _, ed := range list {
		d := topology.Dependency{Client: at[ed.client], Server: at[ed.server], Service: ed.Service, EdgeStats: ed.EdgeStats}
		k := [3]any{d.Client, d.Server, d.Service}
		if i, ok := byTriple[k]; ok {
			m.Graph.Deps[i].Merge(d.EdgeStats)
			continue
		}
		byTriple[k] = len(m.Graph.Deps)
		m.Graph.Deps = append(m.Graph.Deps, d)
	}
	slices.SortFunc(m.Graph.Deps, func(a, b topology.Dependency) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.Server, b.Server), a.Service.Compare(b.Service))
	})
	return m, probes, e
}

func describe(x *topology.Index, p flow.Party, when flow.Time) topology.Node {
	if w := x.Resolve(p, when); w != nil {
		n := topology.Node{ID: w.ID, Name: w.Name, Kind: topology.NodeWorkload, Labels: w.Labels}
		for _, a := range w.Addresses {
			n.Addrs = append(n.Addrs, a.Addr)
		}
		return n
	}
	addrs := []netip.Addr{p.Addr}
	if net, ok := x.Network(p.Addr); ok && !net.Inside {
		return topology.Node{ID: "net:" + net.Name, Name: net.Name, Kind: topology.NodeNetwork, Addrs: addrs}
	} else if ok || p.Addr.IsPrivate() {
		return topology.Node{ID: p.Addr.String(), Name: p.Addr.String(), Kind: topology.NodeAddress, Addrs: addrs}
	}
	return topology.Node{ID: "internet", Name: "internet", Kind: topology.NodeInternet, Addrs: addrs}
}

func priorityOf(n topology.Node, truth *scenario.Truth) topology.Priority {
	switch l := n.Labels; {
	case l["app"] == "payments" || truth.Infrastructure[n.ID] == "directory":
		return topology.PriorityCritical
	case truth.Infrastructure[n.ID] == "jump" || l["role"] == "db":
		return topology.PriorityHigh
	}
	return topology.PriorityLow
}

// scored is a set judged against the truth's edges.
type scored struct {
	legitimate, legitimateAllowed     int
	illegitimate, illegitimateAllowed int
	missed, leaked                    []string
}

// score judges every true edge by set, taken as enforced.
func score(m *topology.Map, set *policy.Set, truth *scenario.Truth, party func(id string) policy.Party) (s scored) {
	enforced := *set
	enforced.Policies = slices.Clone(set.Policies)
	for i := range enforced.Policies {
		enforced.Policies[i].Stage = policy.Enforce
	}
	e := policy.NewEvaluator(&enforced)
	for _, x := range truth.Edges {
		v := e.Evaluate(policy.Facts{Client: party(x.ClientID), Server: party(x.ServerID), Service: x.Service})
		allowed := v.Outcome == policy.Allowed || v.Outcome == policy.Untouched
		line := x.ClientID + " → " + x.ServerID + " " + x.Service.String() + " " + string(x.Concern) + " [" + v.Policy + "/" + v.Rule + "]"
		switch {
		case x.Legitimate:
			s.legitimate++
			if allowed {
				s.legitimateAllowed++
			} else {
				s.missed = append(s.missed, line)
			}
		default:
			s.illegitimate++
			if allowed {
				s.illegitimateAllowed++
				s.leaked = append(s.leaked, line)
			}
		}
	}
	return s
}
