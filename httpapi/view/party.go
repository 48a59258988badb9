package view

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// parties finds nodes by what flows carry: the workload's key, or the address.
type parties struct {
	byKey  map[uint64]int32
	byAddr map[held]int32
}

type held struct {
	addr  netip.Addr
	scope flow.Scope
}

func newParties(g *topology.Graph) *parties {
	p := &parties{make(map[uint64]int32, len(g.Nodes)), make(map[held]int32, len(g.Nodes))}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Claimed() {
			p.byKey[topology.WorkloadKey(n.ID)] = int32(i)
		}
		for _, a := range n.Addrs {
			if _, taken := p.byAddr[held{a, n.Scope}]; !taken {
				p.byAddr[held{a, n.Scope}] = int32(i)
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
		n, ok = known.byAddr[held{p.Addr, p.Scope}]
	}
	if ok {
		return x.Ref(n)
	}
	text := p.Addr.String()
	return Ref{ID: idNode + text, Name: text, Kind: KindAddress, Addrs: []netip.Addr{p.Addr}}
}
