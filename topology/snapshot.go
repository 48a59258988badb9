package topology

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// Member is a workload as an enforcement point must know it at one moment: its
// effective labels and the addresses it holds then.
type Member struct {
	ID     string       `json:"id"`
	Labels Labels       `json:"labels"`
	Addrs  []netip.Addr `json:"addrs"`
	// Scope is the address space the addresses lie in; 0 is the common one. An
	// enforcement point that cannot tell spaces apart must say so.
	Scope flow.Scope `json:"scope,omitempty"`
	// Backends are, for a virtual address, the ids of the members behind it: what
	// is sent to the address arrives at them.
	Backends []string `json:"backends,omitempty"`
}

// Snapshot resolves the map's inside nodes to the addresses they hold at a time,
// so that an address that was handed on belongs to its new holder only. A
// workload of the inventory that holds no address then is left out; x may be nil.
// Sorted by ID, as the nodes are.
func (m *Map) Snapshot(x *Index, at flow.Time) []Member {
	var members []Member
	for i := range m.Graph.Nodes {
		n := &m.Graph.Nodes[i]
		if !n.Inside() {
			continue
		}
		addrs := n.Addrs
		if x != nil {
			if w, ok := x.ByID(n.ID); ok {
				addrs = w.AddrsAt(at)
			}
		}
		if len(addrs) > 0 {
			members = append(members, Member{ID: n.ID, Labels: m.Labels[i], Addrs: addrs, Scope: n.Scope, Backends: n.Backends})
		}
	}
	return members
}

// AddrsAt returns the addresses the workload holds at t.
func (w *Workload) AddrsAt(t flow.Time) []netip.Addr {
	var addrs []netip.Addr
	for _, a := range w.Addresses {
		if a.Holds(t) {
			addrs = append(addrs, a.Addr)
		}
	}
	return addrs
}
