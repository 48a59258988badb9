package inventory

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/topology"
)

// Claimed returns inv with an address given to a workload: a new one, or one that
// is there. node is the address on the map. What contradicts inv is an error; inv
// is not changed.
func Claimed(inv *topology.Inventory, node *topology.Node, c topology.Claim) (*topology.Inventory, error) {
	if node.Kind != topology.NodeAddress || len(node.Addrs) != 1 {
		return nil, fmt.Errorf("claim %s: it is a %s; only an address that nobody holds can be claimed", node.ID, node.Kind)
	}
	name := c.Name
	if name == "" && node.Name != node.ID {
		name = node.Name
	}
	w := topology.Workload{ID: cmp.Or(c.ID, c.Name, hostPart(name), node.ID), Name: name, Labels: c.Labels, Origin: "claimed",
		Addresses: []topology.Address{{Addr: node.Addrs[0], Scope: node.Scope, From: c.From, To: c.To}}}
	out := &topology.Inventory{Workloads: slices.Clone(inv.Workloads), Networks: inv.Networks}
	i := slices.IndexFunc(out.Workloads, func(o topology.Workload) bool { return o.ID == w.ID })
	switch {
	case i < 0:
		out.Workloads = append(out.Workloads, w)
	case c.ID == "" && c.Name == "": // a name from the wire must not decide who that is
		return nil, fmt.Errorf("claim %s: there is a workload %q already; say --id %s if it is the same machine, or another --name", node.ID, w.ID, w.ID)
	default:
		old := out.Workloads[i]
		old.Labels = old.Labels.Merge(c.Labels)
		old.Name = cmp.Or(c.Name, old.Name)
		old.Addresses = append(slices.Clone(old.Addresses), w.Addresses...)
		out.Workloads[i] = old
	}
	if _, err := topology.NewIndex(out); err != nil {
		return nil, fmt.Errorf("claim %s: %w", node.ID, err)
	}
	return out, nil
}

// With returns inv with what was proposed.
func With(inv *topology.Inventory, list []Proposal) (*topology.Inventory, error) {
	out := &topology.Inventory{Workloads: slices.Clone(inv.Workloads), Networks: slices.Clone(inv.Networks)}
	for _, p := range list {
		if p.Workload != nil {
			out.Workloads = append(out.Workloads, *p.Workload)
		}
		if p.Network != nil {
			out.Networks = append(out.Networks, *p.Network)
		}
	}
	if _, err := topology.NewIndex(out); err != nil {
		return nil, fmt.Errorf("accept proposals: %w", err)
	}
	return out, nil
}

// Kind is "workload", "vip" or "nat".
func (p *Proposal) Kind() string {
	switch {
	case p.Network != nil:
		return "nat"
	case p.Workload.Kind != "":
		return p.Workload.Kind
	}
	return "workload"
}

// Name is the workload's id or the network's name.
func (p *Proposal) Name() string {
	if p.Network != nil {
		return p.Network.Name
	}
	return p.Workload.ID
}

// Places are the addresses it would have, with their intervals.
func (p *Proposal) Places() []string {
	if p.Network != nil {
		return prefixList(p.Network.Prefixes)
	}
	return addressList(p.Workload.Addresses)
}
