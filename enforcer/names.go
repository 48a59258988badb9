package enforcer

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// namer gives the names an address may go by in a forecast, as topology.Node.ID
// has them. It is immutable.
type namer struct {
	workloads map[netip.Addr]string
	domains   map[netip.Addr][]string
	networks  []named
	internet  topology.Network
}

type named struct {
	prefix netip.Prefix
	name   string
}

func newNamer(h *nft.Host, more []topology.Network) *namer {
	n := &namer{workloads: map[netip.Addr]string{}, domains: map[netip.Addr][]string{}, internet: policy.Internet()}
	for _, w := range h.Workloads {
		for _, a := range w.Addrs {
			n.workloads[a.Unmap()] = w.ID
		}
	}
	for domain, addrs := range h.Domains {
		for _, a := range addrs {
			n.domains[a.Unmap()] = append(n.domains[a.Unmap()], "domain:"+strings.TrimPrefix(domain, "*."))
		}
	}
	for _, network := range slices.Concat(h.Networks, more) {
		for _, p := range network.Prefixes {
			n.networks = append(n.networks, named{p, "net:" + network.Name})
		}
	}
	slices.SortStableFunc(n.networks, func(a, b named) int { return b.prefix.Bits() - a.prefix.Bits() })
	return n
}

func (n *namer) workload(a netip.Addr) bool { return n.workloads[a] != "" }

// of lists the names of an address, the best one first; never empty.
func (n *namer) of(a netip.Addr) []string {
	if id := n.workloads[a]; id != "" {
		return []string{id}
	}
	out := append([]string{}, n.domains[a]...)
	slices.Sort(out)
	for _, network := range n.networks { // the narrowest first
		if network.prefix.Contains(a) {
			out = append(out, network.name)
		}
	}
	out = append(out, a.String())
	for _, p := range n.internet.Prefixes {
		if p.Contains(a) {
			out = append(out, policy.InternetName)
			break
		}
	}
	return out
}
