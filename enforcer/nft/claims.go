package nft

import (
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// claims gives the workloads whose addresses mean themselves, and names the others
// as losses where a policy speaks of them: a virtual address is its backends', and
// an address that two address spaces use is two workloads' to a kernel that knows
// one. Rules on such addresses would be rules on somebody else.
func (c *compiler) claims(list []Workload) []Workload {
	plain := func(w Workload) bool { return w.Scope == 0 && len(w.Backends) == 0 }
	if !slices.ContainsFunc(list, func(w Workload) bool { return !plain(w) }) {
		return list
	}
	torn := inTwoSpaces(list)
	out := make([]Workload, 0, len(list))
	for _, w := range list {
		if len(w.Backends) > 0 {
			if c.spokenOf(&w) {
				c.lose("%q is a virtual address (%s): rules apply to those behind it, its own address is judged by none",
					w.ID, joined(w.Addrs))
			}
			continue
		}
		own := slices.DeleteFunc(slices.Clone(w.Addrs), func(a netip.Addr) bool { return torn[a.Unmap()] })
		if len(own) < len(w.Addrs) && c.spokenOf(&w) {
			c.lose("address %s of %q is used in another address space too: no rule can tell them apart here, and none is applied to it",
				joined(slices.DeleteFunc(slices.Clone(w.Addrs), func(a netip.Addr) bool { return !torn[a.Unmap()] })), w.ID)
		}
		if w.Addrs = own; len(own) > 0 {
			out = append(out, w)
		}
	}
	return out
}

// inTwoSpaces finds the addresses that are held in more than one address space.
func inTwoSpaces(list []Workload) map[netip.Addr]bool {
	scopes, torn := map[netip.Addr]flow.Scope{}, map[netip.Addr]bool{}
	for i := range list {
		for _, a := range list[i].Addrs {
			if s, known := scopes[a.Unmap()]; known && s != list[i].Scope {
				torn[a.Unmap()] = true
			}
			scopes[a.Unmap()] = list[i].Scope
		}
	}
	return torn
}

// spokenOf reports whether a selector past draft matches the workload.
func (c *compiler) spokenOf(w *Workload) bool {
	party := policy.Party{Labels: w.Labels, Workload: true}
	return slices.ContainsFunc(c.terms.peers, func(p policy.Peer) bool {
		return p.Selector != nil && !p.Any && p.Matches(&party, c.terms.networks)
	})
}

// hidden notes the rules that name a network of translated addresses.
func (c *compiler) hidden() {
	for _, t := range c.terms.byAddr {
		p := &c.terms.peers[t]
		if n := c.terms.networks(p.Network); p.Network != "" && n != nil && n.NAT {
			c.lose("network %q is a NAT: rules that name it are about everybody behind it, whoever that is", n.Name)
		}
	}
}

func joined(addrs []netip.Addr) string {
	var b []byte
	for i, a := range addrs {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = a.AppendTo(b)
	}
	return string(b)
}
