package enforcer

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// resolver answers who holds an address, as policies see it. It is immutable.
type resolver struct {
	parties map[netip.Addr]policy.Party
	self    map[netip.Addr]bool
	inside  []topology.Network
}

func newResolver(h *nft.Host) *resolver {
	r := &resolver{parties: map[netip.Addr]policy.Party{}, self: map[netip.Addr]bool{}, inside: h.Networks}
	own := map[string]bool{}
	for _, id := range h.Self {
		own[id] = true
	}
	names := map[netip.Addr][]string{}
	for name, addrs := range h.Domains {
		for _, a := range addrs {
			names[a.Unmap()] = append(names[a.Unmap()], name)
		}
	}
	for _, w := range h.Workloads {
		for _, a := range w.Addrs {
			a = a.Unmap()
			r.parties[a] = policy.Party{Addr: a, Labels: w.Labels, Workload: true, Domains: names[a]}
			r.self[a] = own[w.ID]
		}
	}
	for a, list := range names {
		if _, claimed := r.parties[a]; !claimed {
			p := r.unclaimed(a)
			p.Domains = list
			r.parties[a] = p
		}
	}
	return r
}

func (r *resolver) party(a netip.Addr) policy.Party {
	if p, ok := r.parties[a]; ok {
		return p
	}
	return r.unclaimed(a)
}

// unclaimed is an address that no workload claims: the most specific network it is
// in, if marked Inside, gives it labels.
func (r *resolver) unclaimed(a netip.Addr) policy.Party {
	var best *topology.Network
	bits := -1
	for i := range r.inside {
		for _, p := range r.inside[i].Prefixes {
			if p.Contains(a) && p.Bits() > bits {
				best, bits = &r.inside[i], p.Bits()
			}
		}
	}
	if best == nil || !best.Inside {
		return policy.Party{Addr: a}
	}
	return policy.Party{Addr: a, Labels: best.Labels, Workload: true}
}
