package recommender

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/topology"
)

// passedOn are the addresses that more than one inside node of a map held, one
// after the other. A node's first address is its current one.
func passedOn(m *topology.Map) map[netip.Addr]bool {
	seen, out := map[netip.Addr]bool{}, map[netip.Addr]bool{}
	for i := range m.Graph.Nodes {
		n := &m.Graph.Nodes[i]
		if !n.Inside() {
			continue
		}
		for _, a := range n.Addrs {
			if seen[a] {
				out[a] = true
			}
			seen[a] = true
		}
	}
	return out
}

func (e *estate) passedOn() map[netip.Addr]bool {
	if e.passed == nil {
		e.passed = passedOn(e.m)
	}
	return e.passed
}
