package inventory

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Proposal is an addition to the inventory that traffic speaks for. One of
// Workload and Network is set.
type Proposal struct {
	Workload   *topology.Workload `json:"workload,omitempty"`
	Network    *topology.Network  `json:"network,omitempty"`
	Confidence float64            `json:"confidence"` // 0..1
	Why        string             `json:"why"`
}

// Seen is what proposals are made of.
type Seen struct {
	Graph        *topology.Graph // unclaimed addresses are its nodes of kind address
	Names        []flow.Name
	Translations []flow.Translation
}

// Propose says what could be added to inv: machines at addresses nobody claims, by
// the names they go by; NAT pools and virtual addresses, by what exporters say of
// translated flows. Sorted by kind and name; nothing proposed contradicts inv.
func Propose(inv *topology.Inventory, x *topology.Index, seen Seen) []Proposal {
	p := &proposer{index: x, unclaimed: map[place]bool{}, ids: map[string]bool{}, held: map[place][]topology.Address{}}
	for i := range inv.Workloads {
		p.ids[inv.Workloads[i].ID] = true
		for _, a := range inv.Workloads[i].Addresses {
			k := place{a.Addr, a.Scope}
			p.held[k] = append(p.held[k], a)
		}
	}
	for i := range inv.Networks {
		p.ids[inv.Networks[i].Name] = true
	}
	for i := range seen.Graph.Nodes {
		if n := &seen.Graph.Nodes[i]; n.Kind == topology.NodeAddress {
			for _, a := range n.Addrs {
				p.unclaimed[place{a, n.Scope}] = true
			}
		}
	}
	p.pools(seen.Translations)
	p.virtual(seen.Translations)
	p.machines(seen.Names)
	return p.out
}

type place struct {
	addr  netip.Addr
	scope flow.Scope
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.scope, o.scope), p.addr.Compare(o.addr))
}

type proposer struct {
	held      map[place][]topology.Address // what the inventory says of an address
	index     *topology.Index
	unclaimed map[place]bool
	ids       map[string]bool
	out       []Proposal
}

// pools proposes a NAT for every block of neighbouring addresses that clients were
// translated to; behind it stand the /24s (/64s) they come from.
func (p *proposer) pools(list []flow.Translation) {
	byBlock := map[place][]flow.Translation{}
	for _, t := range list {
		if n, named := p.index.NetworkIn(t.Public, t.Scope); t.Servers || named && n.NAT {
			continue
		}
		k := place{blockOf(t.Public).Addr(), t.Scope}
		byBlock[k] = append(byBlock[k], t)
	}
	for _, k := range sortedPlaces(byBlock) {
		n := topology.Network{Name: p.free("nat-" + byBlock[k][0].Public.String()), NAT: true, Scope: k.scope}
		hidden := map[netip.Addr]bool{}
		for _, t := range byBlock[k] {
			n.Prefixes = append(n.Prefixes, netip.PrefixFrom(t.Public, t.Public.BitLen()))
			for _, a := range t.Behind {
				hidden[a] = true
				if b := blockOf(a); !slices.Contains(n.Behind, b) {
					n.Behind = append(n.Behind, b)
				}
			}
		}
		slices.SortFunc(n.Behind, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
		p.out = append(p.out, Proposal{Network: &n, Confidence: 0.95,
			Why: fmt.Sprintf("exporters saw %d addresses appear under %s", len(hidden), counted(len(n.Prefixes), "address", "addresses"))})
	}
}

// blockOf is the /24, or /64 of IPv6, that an address lies in.
func blockOf(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 24
	}
	b, _ := a.Prefix(bits) // fits the family
	return b
}

// virtual proposes a virtual address for every one whose connections were passed
// on to others, unless the inventory knows it as something else.
func (p *proposer) virtual(list []flow.Translation) {
	for _, t := range list {
		if !t.Servers || p.index.KeyAt(t.Public, t.Scope, now) != 0 {
			continue
		}
		if n, named := p.index.NetworkIn(t.Public, t.Scope); named && !n.Inside {
			continue
		}
		w := topology.Workload{ID: p.free("vip-" + t.Public.String()), Kind: topology.KindVIP, Origin: "wire",
			Addresses: []topology.Address{{Addr: t.Public, Scope: t.Scope}}}
		for _, a := range t.Behind {
			id := a.String()
			if held, ok := p.index.ByKey(p.index.KeyAt(a, t.Scope, now)); ok {
				id = held.ID
			}
			w.Backends = append(w.Backends, id)
		}
		slices.Sort(w.Backends)
		w.Backends = slices.Compact(w.Backends)
		delete(p.unclaimed, place{t.Public, t.Scope})
		p.out = append(p.out, Proposal{Workload: &w, Confidence: 0.95,
			Why: fmt.Sprintf("exporters saw %d connections to it passed on to %s", t.Flows, counted(len(w.Backends), "address", "addresses"))})
	}
}

// now is a time after every interval that has ended: who holds an address still.
const now = flow.Time(1<<63 - 1)

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// free returns id, or id with the lowest number from 2 that is not taken, and takes
// it.
func (p *proposer) free(id string) string {
	out := id
	for n := 2; p.ids[out]; n++ {
		out = fmt.Sprintf("%s-%d", id, n)
	}
	p.ids[out] = true
	return out
}

func sortedPlaces[V any](m map[place]V) []place {
	keys := make([]place, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, place.compare)
	return keys
}

// hostPart is the first label of a name in lower case, "" for names that say
// nothing about which machine it is.
func hostPart(name string) string {
	host, _, _ := strings.Cut(strings.ToLower(strings.TrimSuffix(name, ".")), ".")
	switch host {
	case "localhost", "android", "iphone", "ipad", "unknown", "default", "raspberrypi", "ubuntu", "debian", "windows":
		return ""
	}
	if _, err := netip.ParseAddr(host); err == nil || strings.Trim(host, "0123456789-") == "" {
		return ""
	}
	return host
}

// dayWords is how the time of a name is told.
func dayWords(t flow.Time) string { return t.Std().Format(time.DateTime) }
