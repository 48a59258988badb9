package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// hostFlags say which enforcement point this machine is.
type hostFlags struct {
	app       *app
	gateway   bool
	bridge    bool
	self      []string
	inventory string
}

func (h *hostFlags) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&h.gateway, "gateway", false, "this machine forwards for the workloads behind it")
	cmd.Flags().BoolVar(&h.bridge, "bridge", false, "this machine bridges between the workloads; needs br_netfilter")
	cmd.Flags().StringSliceVar(&h.self, "workload", nil, "ids of the workloads that run here; default: those with this machine's addresses")
	cmd.Flags().StringVar(&h.inventory, "inventory", "", "file with workloads and their labels; default: the recorded map")
}

// host says what runs here: the named workloads, or those that hold one of this
// machine's addresses. A machine that holds none is taken for a gateway.
func (h *hostFlags) host(ctx context.Context, set *policy.Set) (nft.Host, error) {
	members, domains, err := h.members(ctx, set)
	if err != nil {
		return nft.Host{}, err
	}
	set.BreakGlass, err = h.breakGlass(set)
	if err != nil {
		return nft.Host{}, err
	}
	host := nft.Host{Mode: nft.ModeHost, Self: h.self, Networks: set.Networks, Workloads: hostWorkloads(members), Domains: domains}
	host.Name, _ = os.Hostname()
	if h.bridge {
		if err := nft.CheckBridge(nft.BridgeSysctls); err != nil {
			return host, err
		}
	}
	if h.gateway || h.bridge {
		host.Mode = nft.ModeGateway
		return host, nil
	}
	if len(host.Self) == 0 {
		if host.Self, err = localWorkloads(members); err != nil {
			return host, err
		}
	}
	if len(host.Self) == 0 {
		h.app.say("no known workload has an address of this machine: compiling for a gateway (name one with --workload)")
		host.Mode = nft.ModeGateway
		return host, nil
	}
	host.Cgroups, err = localUnits(set)
	return host, err
}

// localUnits finds the control groups of the units that rules name. A machine
// without cgroup v2 has none; the ruleset then says what it cannot match.
func localUnits(set *policy.Set) (map[string]nft.Cgroup, error) {
	var units []string
	for i := range set.Policies {
		for j := range set.Policies[i].Rules {
			if u := set.Policies[i].Rules[j].Process; u != "" {
				units = append(units, u)
			}
		}
	}
	if len(units) == 0 {
		return nil, nil
	}
	root, err := nft.CgroupRoot()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return nft.FindCgroups(root, units)
}

// members are who selectors resolve to: the inventory file's workloads, or the
// recorded map's; then the addresses of the set's domains are known too.
func (h *hostFlags) members(ctx context.Context, set *policy.Set) ([]topology.Member, map[string][]netip.Addr, error) {
	if h.inventory != "" {
		inv, err := readInventory(h.inventory)
		if err != nil {
			return nil, nil, err
		}
		var list []topology.Member
		now := flow.TimeOf(time.Now())
		for i := range inv.Workloads {
			w := &inv.Workloads[i]
			list = append(list, topology.Member{ID: w.ID, Labels: w.Labels, Addrs: w.AddrsAt(now)})
		}
		return list, nil, nil
	}
	var members []topology.Member
	var domains map[string][]netip.Addr
	err := h.app.with(ctx, func(s *session) error {
		m, _, err := s.estateMap(ctx)
		if err != nil {
			return err
		}
		if members, err = s.members(ctx, m); err != nil {
			return err
		}
		domains, err = s.domains(ctx, set, time.Now())
		return err
	})
	return members, domains, err
}

// breakGlass adds the configured networks to those of the documents.
func (h *hostFlags) breakGlass(set *policy.Set) ([]netip.Prefix, error) {
	more, err := config.Prefixes(h.app.cfg.Enforcer.BreakGlass)
	return append(append([]netip.Prefix{}, set.BreakGlass...), more...), err
}

// localWorkloads are the members that hold one of this machine's addresses.
func localWorkloads(members []topology.Member) ([]string, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("read this machine's addresses: %w", err)
	}
	mine := map[netip.Addr]bool{}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok && !addr.IsLoopback() {
				mine[addr.Unmap()] = true
			}
		}
	}
	var ids []string
	for _, m := range members {
		for _, a := range m.Addrs {
			if mine[a] {
				ids = append(ids, m.ID)
				break
			}
		}
	}
	return ids, nil
}
