package recommender

import (
	"cmp"
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// nodeFinder returns a function that maps a party to its node in m: by workload
// key, then by address; -1 for none.
func nodeFinder(m *topology.Map) func(flow.Party) int32 {
	byKey := make(map[uint64]int32, len(m.Graph.Nodes))
	type at struct {
		addr  netip.Addr
		scope flow.Scope
	}
	byAddr := make(map[at]int32, len(m.Graph.Nodes))
	for i := range m.Graph.Nodes {
		n := &m.Graph.Nodes[i]
		if n.Claimed() {
			byKey[topology.WorkloadKey(n.ID)] = int32(i)
		}
		for _, a := range n.Addrs {
			if _, taken := byAddr[at{a, n.Scope}]; !taken || n.Inside() {
				byAddr[at{a, n.Scope}] = int32(i)
			}
		}
	}
	return func(p flow.Party) int32 {
		if i, ok := byKey[p.Workload]; ok && p.Workload != 0 {
			return i
		}
		if i, ok := byAddr[at{p.Addr.Unmap(), p.Scope}]; ok {
			return i
		}
		return -1
	}
}

// compareDeps is the order of Graph.Deps.
func compareDeps(a, b topology.Dependency) int {
	return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.Server, b.Server), a.Service.Compare(b.Service))
}
