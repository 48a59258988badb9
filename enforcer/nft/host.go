package nft

import (
	"net/netip"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Mode is where in the network a ruleset sits.
type Mode uint8

const (
	ModeHost    Mode = iota // on the workload itself: input and output
	ModeGateway             // on a router the workloads are behind: forward
)

func (m Mode) String() string { return [...]string{"host", "gateway"}[m] }

// Host is what Compile must know besides the policies: where the ruleset will
// run and who has which address. It is a value; Compile keeps none of it.
type Host struct {
	Name string
	Mode Mode
	// Self names the workloads that run on this host, by ID, in ModeHost. A packet
	// for an address the inventory does not know yet is taken to be for the first.
	Self []string
	// Workloads are all that selectors can resolve to, with effective labels. An
	// address may appear once.
	Workloads []Workload
	// Networks are the inventory's. Those marked Inside give their labels to the
	// addresses in them that no workload claims.
	Networks []topology.Network
	// Domains are the names addresses are known by, for rules that name domains; a key
	// may be a pattern of such a rule, "*.example.com", for all names that match it.
	Domains map[string][]netip.Addr
	// Controllers may always be reached, from this host and through this gateway: no
	// policy cuts an agent's line.
	Controllers []netip.AddrPort
	// Cgroups resolves Rule.Process to where its sockets are, in ModeHost. Nil
	// where the kernel cannot match a socket's cgroup.
	Cgroups map[string]Cgroup
	// Text asks for a ruleset that nft -f loads from its text, which has no words for
	// looking identities up: sets then hold the addresses of peers themselves, and
	// a moved workload changes many of them.
	Text bool
	// MonitorOnly treats every enforced policy as one in monitor.
	MonitorOnly bool
	// Unconfirmed puts the drops of a policy behind a gate that the kernel closes
	// again after this time, by policy name.
	Unconfirmed map[string]time.Duration
}

// Workload is a workload as a ruleset sees it.
type Workload struct {
	ID     string
	Labels topology.Labels
	Addrs  []netip.Addr
	// Scope is the address space of the addresses; 0 is the common one.
	Scope flow.Scope `json:",omitempty"`
	// Backends are, for a virtual address, the workloads behind it.
	Backends []string `json:",omitempty"`
	// Agent says that the workload has an agent of its own, which judges its end of
	// every flow and knows the process. A gateway then leaves to it what depends on the
	// process, and what is only monitored; see docs/decisions/091.
	Agent bool `json:",omitempty"`
}

// HostOf builds the parts of a Host that come from an inventory: workloads with
// the addresses they hold at that time, and networks.
func HostOf(inv *topology.Inventory, at time.Time) Host {
	h := Host{Networks: inv.Networks, Workloads: make([]Workload, 0, len(inv.Workloads))}
	for i := range inv.Workloads {
		w := &inv.Workloads[i]
		v := Workload{ID: w.ID, Labels: w.Labels, Backends: w.Backends}
		for _, a := range w.Addresses {
			if (a.From.IsZero() || !a.From.After(at)) && (a.To.IsZero() || at.Before(a.To)) {
				v.Addrs, v.Scope = append(v.Addrs, a.Addr.Unmap()), a.Scope
			}
		}
		h.Workloads = append(h.Workloads, v)
	}
	return h
}
