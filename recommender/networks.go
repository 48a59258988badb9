package recommender

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// networks defines every network the set and the decisions name: as the inventory
// does, or by the addresses seen. Those of the base stay.
func (d *draft) networks(set *policy.Set) []topology.Network {
	want := d.namedNetworks(set)
	var out []topology.Network
	take := func(n topology.Network, why string) {
		want[n.Name] = false
		for i := range out {
			if out[i].Name == n.Name {
				out[i] = d.redefined(out[i], n, why != "")
				return
			}
		}
		out = append(out, n)
		if why != "" {
			d.rec.Notes = append(d.rec.Notes, why)
		}
	}
	if d.opt.Base != nil {
		out = slices.Clone(d.opt.Base.Normal().Networks)
	}
	for _, n := range d.opt.Networks {
		if name := networkName(n.Name); want[name] {
			n.Name = name
			n.Domains = slices.DeleteFunc(slices.Clone(n.Domains), func(d string) bool { return !policy.ValidDomain(d) })
			take(n, "")
		}
	}
	for i := range d.m.Graph.Nodes {
		n := &d.m.Graph.Nodes[i]
		if name := networkName(n.Name); (n.Kind == topology.NodeNetwork || n.Kind == topology.NodeNAT) && want[name] {
			take(topology.Network{Name: name, Prefixes: d.addrPrefixes(int32(i)), Labels: n.Labels},
				fmt.Sprintf("network %s is not in the inventory: it holds the %s seen, and may be larger", name, plural(len(n.Addrs), "host")))
		}
	}
	return out
}

// namedNetworks are the names that rules and decisions refer to.
func (d *draft) namedNetworks(set *policy.Set) map[string]bool {
	used := map[string]bool{}
	name := func(r *policy.Rule) {
		for _, p := range append(slices.Clone(r.From), r.To...) {
			used[p.Network] = p.Network != "" && p.Network != policy.InternetName
		}
	}
	for i := range set.Policies {
		for j := range set.Policies[i].Rules {
			name(&set.Policies[i].Rules[j])
		}
	}
	for i := range d.rec.Decisions {
		name(&d.rec.Decisions[i].Rule)
	}
	return used
}

// redefined is a network of the base that the inventory, or the addresses seen,
// know more of. The inventory is what people say now, so it holds; addresses seen
// join what there is. Either is said.
func (d *draft) redefined(base, now topology.Network, seenOnly bool) topology.Network {
	if seenOnly {
		now.Prefixes = slices.DeleteFunc(slices.Clone(now.Prefixes), func(p netip.Prefix) bool {
			return slices.ContainsFunc(base.Prefixes, func(b netip.Prefix) bool { return b.Contains(p.Addr()) })
		})
		if len(now.Prefixes) == 0 {
			return base
		}
		d.rec.Notes = append(d.rec.Notes, fmt.Sprintf("network %s grows by %s seen since", base.Name, plural(len(now.Prefixes), "host")))
		base.Prefixes = append(slices.Clone(base.Prefixes), now.Prefixes...)
		return base
	}
	normal := func(n topology.Network) topology.Network {
		return (&policy.Set{Networks: []topology.Network{n}}).Normal().Networks[0]
	}
	base, now = normal(base), normal(now)
	if !reflect.DeepEqual(base.Prefixes, now.Prefixes) || !reflect.DeepEqual(base.Domains, now.Domains) {
		d.rec.Notes = append(d.rec.Notes, fmt.Sprintf("network %s is now what the inventory says (%v %v), no longer %v %v", base.Name, now.Prefixes, now.Domains, base.Prefixes, base.Domains))
	}
	return now
}
