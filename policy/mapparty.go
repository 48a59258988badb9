package policy

import (
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// domainNode begins the ids of nodes that stand for a domain name outside.
const domainNode = "domain:"

// PartyOf is node i of a map as a policy sees it: by its effective labels when it
// is inside, by address and names when it is not.
func PartyOf(m *topology.Map, i int32) Party {
	n := &m.Graph.Nodes[i]
	p := Party{Workload: n.Inside(), Labels: n.Labels}
	if int(i) < len(m.Labels) {
		p.Labels = m.Labels[i]
	}
	switch {
	case len(n.Addrs) > 0:
		p.Addr = n.Addrs[0]
	case n.Kind == topology.NodeInternet:
		p.Addr = Internet().Prefixes[0].Addr() // any public address is like any other
	}
	if n.Kind == topology.NodeNetwork {
		p.Domains = n.Names
		if domain, ok := strings.CutPrefix(n.ID, domainNode); ok {
			p.Domains = append([]string{domain}, p.Domains...)
		}
	}
	return p
}
