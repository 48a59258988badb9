package scenario

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/topology"
)

// Inventory returns what an asset database would know of the estate: every
// workload with its host name and its addresses over time, environment and
// location, and the named networks. With labels it also knows role and
// application, as after a review.
func (e *Estate) Inventory(withLabels bool) *topology.Inventory {
	inv := &topology.Inventory{Workloads: make([]topology.Workload, e.workloads)}
	for i := range inv.Workloads {
		h := &e.hosts[i]
		w := &inv.Workloads[i]
		w.ID, w.Name, w.Origin = h.name, h.name, "scenario:"+e.spec.Name
		w.Labels = e.labels(int32(i))
		if !withLabels {
			delete(w.Labels, topology.LabelRole)
			delete(w.Labels, topology.LabelApp)
		}
		if e.opts.Noise.NoNames && !withLabels {
			w.Labels = nil
		}
		w.Addresses = h.addresses()
	}
	inv.Networks = e.networks()
	return inv
}

// addresses are those the host holds, with the interval where it is bounded.
func (h *host) addresses() []topology.Address {
	var out []topology.Address
	for _, addr := range []netip.Addr{h.v4, h.v6} {
		if !addr.IsValid() {
			continue
		}
		a := topology.Address{Addr: addr}
		if h.from != 0 {
			a.From = h.from.Std()
		}
		if h.to != 0 {
			a.To = h.to.Std()
		}
		out = append(out, a)
	}
	return out
}

// networks are the sites, whose addresses are inside, and what outside has a
// name.
func (e *Estate) networks() []topology.Network {
	var out []topology.Network
	if e.opts.Noise.Renumber {
		out = append(out, topology.Network{Name: "inside", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Inside: true})
	} else {
		for _, s := range e.spec.Sites {
			out = append(out, topology.Network{Name: s.Name, Prefixes: []netip.Prefix{s.Prefix, siteIPv6}, Inside: true})
			if len(out) > 1 {
				out[len(out)-1].Prefixes = out[len(out)-1].Prefixes[:1]
			}
		}
	}
	for _, o := range e.spec.Outside {
		if o.Kind == "network" {
			out = append(out, topology.Network{Name: o.Name, Prefixes: o.Prefixes, Domains: o.Domains})
		}
	}
	if len(e.pool) > 0 {
		out = append(out, topology.Network{Name: "office-nat", Prefixes: []netip.Prefix{poolPrefix}})
	}
	return out
}

// siteIPv6 holds the IPv6 addresses of all sites; the first site names it.
var siteIPv6 = netip.MustParsePrefix("fd4b:1d2e:3c4f::/48")
