package mapper

import (
	"cmp"
	"net/netip"
	"slices"

	"golang.org/x/net/publicsuffix"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// maxNames caps the names remembered per node.
const maxNames = 8

// nameRank orders kinds of names by how much they say about the machine itself
// rather than about a service it carries; lower is better.
func nameRank(k flow.NameKind) int {
	switch k {
	case flow.NameDHCP:
		return 0
	case flow.NameNetBIOS, flow.NameMDNS, flow.NameLDAP:
		return 1
	case flow.NamePTR:
		return 2
	case flow.NameDNS:
		return 3
	case flow.NameSNI:
		return 4
	}
	return 5
}

// attachNames gives nodes the names their addresses went by, best first. A
// workload's own name stays; an address takes its best one.
func (b *graphBuilder) attachNames() {
	at := make(map[partyKey]int32, len(b.parties))
	for i := range b.nodes {
		b.ids[b.nodes[i].ID] = int32(i)
	}
	names := slices.Clone(b.in.Names)
	slices.SortFunc(names, func(x, y flow.Name) int {
		return cmp.Or(cmp.Compare(nameRank(x.Kind), nameRank(y.Kind)), cmp.Compare(y.Count, x.Count), cmp.Compare(x.Name, y.Name))
	})
	for _, n := range names {
		p := flow.Party{Addr: n.Addr, Scope: n.Scope}
		key := partyKey{n.Addr, n.Scope, b.holder(p, n.Last)} // who had the address when it went by the name
		i, ok := at[key]
		if !ok {
			i = b.known(p, n.Last)
			at[key] = i
		}
		if i >= 0 && n.Kind.Directory() && b.nodes[i].Inside() {
			b.realms[i] = append(b.realms[i], n)
			continue
		}
		if i < 0 || n.Kind.Directory() || !b.nodes[i].Inside() || len(b.nodes[i].Names) >= maxNames || slices.Contains(b.nodes[i].Names, n.Name) {
			continue
		}
		node := &b.nodes[i]
		node.Names = append(node.Names, n.Name)
		if node.Kind == topology.NodeAddress && len(node.Names) == 1 {
			node.Name = n.Name
		}
	}
}

// known returns the node p belongs to, or -1 when no edge made one. Valid once
// ids holds the sorted positions.
func (b *graphBuilder) known(p flow.Party, t flow.Time) int32 {
	p.Workload = b.holder(p, t)
	if i, ok := b.ids[b.describe(p).ID]; ok {
		return i
	}
	return -1
}

// domainsOf maps outside addresses to the registered domain of the name that
// answered for them most often, keeping the opt.MaxDomains domains with the most
// flows, so that a proxy's log does not become ten thousand nodes.
func domainsOf(in *Input, opt Options, inside func(netip.Addr) bool) map[netip.Addr]string {
	best := map[netip.Addr]flow.Name{}
	for _, n := range in.Names {
		if n.Kind != flow.NameDNS && n.Kind != flow.NameSNI && n.Kind != flow.NameHTTP || inside(n.Addr) {
			continue
		}
		have, ok := best[n.Addr]
		if !ok || cmp.Or(cmp.Compare(n.Count, have.Count), cmp.Compare(have.Name, n.Name)) > 0 {
			best[n.Addr] = n
		}
	}
	domains := make(map[netip.Addr]string, len(best))
	for a, n := range best {
		if d, err := publicsuffix.EffectiveTLDPlusOne(n.Name); err == nil {
			domains[a] = d
		}
	}
	return keepBusiest(domains, in.Edges, opt.MaxDomains)
}

func keepBusiest(domains map[netip.Addr]string, edges []flow.Edge, limit int) map[netip.Addr]string {
	flows := map[string]uint64{}
	for i := range edges {
		for _, a := range [2]netip.Addr{edges[i].Client.Addr, edges[i].Server.Addr} {
			if d, ok := domains[a]; ok {
				flows[d] += edges[i].Flows
			}
		}
	}
	names := make([]string, 0, len(flows))
	for d := range flows {
		names = append(names, d)
	}
	slices.SortFunc(names, func(x, y string) int { return cmp.Or(cmp.Compare(flows[y], flows[x]), cmp.Compare(x, y)) })
	kept := map[string]bool{}
	for _, d := range names[:min(limit, len(names))] {
		kept[d] = true
	}
	for a, d := range domains {
		if !kept[d] {
			delete(domains, a)
		}
	}
	return domains
}

// probePair is a probe between nodes before sorting.
type probePair struct {
	client   int32
	service  flow.Service
	attempts uint64
	targets  uint64
}

// probePairs resolves the probes' parties. An inside client becomes a node even
// if it only probes; targets that never gave service do not: a sweep over empty
// space must not fill the map.
func (b *graphBuilder) probePairs() []probePair {
	pairs := make([]probePair, 0, len(b.in.Probes))
	for i := range b.in.Probes {
		p := &b.in.Probes[i]
		if p.Outcome == flow.OneWay {
			continue
		}
		c := b.known(p.Client, p.Last)
		if c < 0 && b.isInside(p.Client) {
			c = b.node(p.Client, p.Last)
		}
		pairs = append(pairs, probePair{c, p.Service, p.Attempts, max(p.Targets, 1)})
	}
	return pairs
}

// sumProbes adds the pairs up per client.
func (b *graphBuilder) sumProbes(pairs []probePair, order []int32) {
	b.probes = make([]probeStats, len(b.nodes))
	slices.SortFunc(pairs, func(x, y probePair) int {
		return cmp.Or(cmp.Compare(x.client, y.client), x.service.Compare(y.service))
	})
	for i, p := range pairs {
		if p.client < 0 {
			continue
		}
		s := &b.probes[order[p.client]]
		s.attempts += p.attempts
		s.targets += p.targets
		if i == 0 || pairs[i-1].client != p.client || pairs[i-1].service != p.service {
			s.ports++
		}
	}
}
