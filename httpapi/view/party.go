package view

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// parties finds nodes by what flows carry: the workload's key, or the address.
type parties struct {
	byKey  map[uint64]int32
	byAddr map[netip.Addr]int32
}

func newParties(g *topology.Graph) *parties {
	p := &parties{make(map[uint64]int32, len(g.Nodes)), make(map[netip.Addr]int32, len(g.Nodes))}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Kind == topology.NodeWorkload {
			p.byKey[topology.WorkloadKey(n.ID)] = int32(i)
		}
		for _, a := range n.Addrs {
			if _, taken := p.byAddr[a]; !taken {
				p.byAddr[a] = int32(i)
			}
		}
	}
	return p
}

// RefOfParty names one end of a flow: the workload that it was stamped with, else
// who has its address now, else the address itself.
func (x *Index) RefOfParty(p flow.Party) Ref {
	x.mu.Lock()
	if x.parties == nil {
		x.parties = newParties(&x.Map.Graph)
	}
	known := x.parties
	x.mu.Unlock()
	n, ok := known.byKey[p.Workload]
	if !ok {
		n, ok = known.byAddr[p.Addr]
	}
	if ok {
		return x.Ref(n)
	}
	text := p.Addr.String()
	return Ref{ID: idNode + text, Name: text, Kind: KindAddress, Addrs: []netip.Addr{p.Addr}}
}
