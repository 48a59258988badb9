package recommender

import (
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// mergePeers unites two lists of peers. Selectors that differ in the values of one
// key become one selector.
func mergePeers(a, b []policy.Peer) []policy.Peer {
	out := slices.Clone(a)
	for _, p := range b {
		if slices.ContainsFunc(out, func(x policy.Peer) bool { return x.String() == p.String() }) {
			continue
		}
		joined := false
		for i := range out {
			if s, ok := joinSelectors(out[i].Selector, p.Selector); ok {
				out[i] = policy.Peer{Selector: s}
				joined = true
				break
			}
		}
		if !joined {
			out = append(out, p)
		}
	}
	return out
}

// joinSelectors gives the one selector that selects what either does: they ask for
// the same keys, and for different values under one of them at most.
func joinSelectors(a, b policy.Selector) (policy.Selector, bool) {
	if len(a) == 0 || len(a) != len(b) {
		return nil, false
	}
	out, differ := slices.Clone(a), -1
	for i := range a {
		x, y := a[i], b[i]
		if x.Key != y.Key {
			return nil, false
		}
		if slices.Equal(x.In, y.In) && slices.Equal(x.Not, y.Not) {
			continue
		}
		if differ >= 0 || len(x.In) == 0 || len(y.In) == 0 || len(x.Not) > 0 || len(y.Not) > 0 {
			return nil, false
		}
		differ = i
		in := append(slices.Clone(x.In), y.In...)
		slices.Sort(in)
		out[i].In = slices.Compact(in)
	}
	return out, differ >= 0
}

// asNetworks writes single addresses by the name of the network that is exactly them,
// where the base has one.
func (d *draft) asNetworks(peers []policy.Peer) []policy.Peer {
	if d.reuse == nil {
		return peers
	}
	for i := range d.reuse.base.Networks {
		n := &d.reuse.base.Networks[i]
		if len(n.Prefixes) < 2 || len(n.Domains) > 0 || !slices.ContainsFunc(peers, func(p policy.Peer) bool { return p.Prefix.IsValid() }) {
			continue
		}
		all := !slices.ContainsFunc(n.Prefixes, func(want netip.Prefix) bool {
			return !slices.ContainsFunc(peers, func(p policy.Peer) bool { return p.Prefix == want })
		})
		if !all {
			continue
		}
		peers = slices.DeleteFunc(slices.Clone(peers), func(p policy.Peer) bool { return p.Prefix.IsValid() && slices.Contains(n.Prefixes, p.Prefix) })
		peers = append(peers, policy.Peer{Network: n.Name})
	}
	return peers
}

// insideNodes are the workloads and unclaimed addresses of the map, in order.
func (e *estate) insideNodes() []int32 {
	if e.inside == nil {
		e.inside = []int32{}
		for i := range e.m.Graph.Nodes {
			if e.m.Graph.Nodes[i].Inside() {
				e.inside = append(e.inside, int32(i))
			}
		}
	}
	return e.inside
}

// nodesOfApp are the inside nodes by the application they are labelled with.
func (e *estate) nodesOfApp() map[string][]int32 {
	if e.byApp == nil {
		e.byApp = map[string][]int32{}
		for _, i := range e.insideNodes() {
			app := e.labels(i)[topology.LabelApp]
			e.byApp[app] = append(e.byApp[app], i)
		}
	}
	return e.byApp
}
