package nft

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// ident is everyone the policies cannot tell apart: same labels, same networks,
// same domain names.
type ident struct {
	party  policy.Party // Addr stands for all of them; Labels are those policies speak of
	key    string       // what sets them apart, in words
	terms  []int32      // peers and scopes that match, ascending
	class  *ident       // exact addresses: what an unclaimed address beside them is
	v4, v6 []Elem       // exact addresses, without service
	ranges []Range      // for a class of unclaimed addresses
	self   bool         // has a workload of this host
	first  bool         // has the host's first workload
	agent  bool         // has an agent of its own that judges its end, and this is a gateway

	number uint32  // the identity; exact addresses only
	circle *circle // exact addresses only
	used   bool    // a set names the number
}

// name says in words who an exact ident is.
func (id *ident) name() string {
	var parts []string
	if id.party.Workload {
		parts = append(parts, cmp.Or(id.party.Labels.String(), "no label"))
	}
	if len(id.party.Domains) > 0 {
		parts = append(parts, strings.Join(id.party.Domains, " "))
	}
	if id.class != nil && id.class.key != "" {
		parts = append(parts, "in "+id.class.key)
	}
	if id.self {
		parts = append(parts, "this host")
	}
	return strings.Join(parts, ", ")
}

// directory is the whole address space, cut into idents.
type directory struct {
	exact   []*ident
	classes []*ident
	// background is what no network, prefix or workload covers.
	background *ident
	v4, v6     []span

	kinds     map[kindKey]*ident // while it is built
	byLabels  map[uint64][]labelSet
	labelSets int
	keys      map[string]bool // label keys that policies speak of
	families  [2]bool         // exact addresses of IPv4, of IPv6 are known
}

// span is a range of unclaimed addresses of one class. Spans are disjoint and
// sorted.
type span struct {
	from, to netip.Addr
	class    *ident
}

// newDirectory sorts all addresses of the host into idents. prefixes are all that
// any rule, network or exception distinguishes, keys the labels that selectors
// speak of.
func newDirectory(h *Host, prefixes []netip.Prefix, keys map[string]bool) (*directory, error) {
	d := &directory{background: &ident{}, kinds: map[kindKey]*ident{}, byLabels: map[uint64][]labelSet{}, keys: keys}
	for _, n := range h.Networks {
		if n.Inside {
			prefixes = append(prefixes, n.Prefixes...)
		}
	}
	d.cut(prefixes, h.Networks)
	names := namesByAddr(h.Domains)
	list := byID(h.Workloads)
	seen := make(map[netip.Addr]int32, len(list)) // index in list
	for i, w := range list {
		known := d.labelClass(w.Labels)
		kind := kindKey{labels: known.number, place: min(slices.Index(h.Self, w.ID), 1)}
		if w.Agent && h.Mode == ModeGateway {
			kind.place = placeAgent
		}
		for _, a := range w.Addrs {
			a = a.Unmap()
			if other, dup := seen[a]; dup {
				if list[other].ID == w.ID {
					continue
				}
				return nil, fmt.Errorf("compile: address %s is held by %q and %q", a, list[other].ID, w.ID)
			}
			seen[a] = int32(i)
			d.add(kind, a, policy.Party{Addr: a, Labels: known.labels, Workload: true, Domains: names[a]})
		}
	}
	for _, a := range sortedAddrs(names) {
		if _, claimed := seen[a]; !claimed {
			c := d.classOf(a)
			d.add(kindKey{labels: -1, place: -1}, a, policy.Party{Addr: a, Labels: c.party.Labels, Workload: c.party.Workload, Domains: names[a]})
		}
	}
	d.kinds, d.byLabels = nil, nil
	return d, nil
}

// kindKey is what addresses of one ident have in common.
type kindKey struct {
	class   *ident
	labels  int    // from labelClass; -1 for no workload
	domains string // joined
	place   int    // 0 the host's first workload, 1 another of its own, -1 none, or placeAgent
}

// placeAgent is a workload behind a gateway that has an agent of its own.
const placeAgent = 2

// labelClass numbers distinct label sets, by the keys that policies speak of. It
// hashes without regard to order, as the map has none, and allocates only for a
// set it has not met.
func (d *directory) labelClass(l topology.Labels) labelSet {
	var sum uint64
	n := 0
	for k, v := range l {
		if d.keys[k] {
			sum += maphash.Comparable(labelSeed, [2]string{k, v})
			n++
		}
	}
	for _, c := range d.byLabels[sum] {
		if len(c.labels) == n && within(c.labels, l) {
			return c
		}
	}
	seen := make(topology.Labels, n)
	for k, v := range l {
		if d.keys[k] {
			seen[k] = v
		}
	}
	d.labelSets++
	c := labelSet{seen, d.labelSets}
	d.byLabels[sum] = append(d.byLabels[sum], c)
	return c
}

// within reports whether l has all of some labels.
func within(some, l topology.Labels) bool {
	for k, v := range some {
		if w, ok := l[k]; !ok || v != w {
			return false
		}
	}
	return true
}

type labelSet struct {
	labels topology.Labels
	number int
}

var labelSeed = maphash.MakeSeed()

// byID orders workloads, so that the order of the inventory makes no difference.
func byID(list []Workload) []*Workload {
	out := make([]*Workload, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	slices.SortFunc(out, func(a, b *Workload) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// add puts one address into the ident of its kind.
func (d *directory) add(key kindKey, a netip.Addr, p policy.Party) {
	key.class = d.classOf(a)
	key.domains = strings.Join(p.Domains, ",")
	id := d.kinds[key]
	if id == nil {
		id = &ident{party: p, class: key.class, self: key.place == 0 || key.place == 1, first: key.place == 0, agent: key.place == placeAgent}
		id.key = fmt.Sprintf("%s|%s|%s|%d", p.Labels, key.class.key, key.domains, key.place)
		d.kinds[key] = id
		d.exact = append(d.exact, id)
	}
	if a.Is4() {
		id.v4 = append(id.v4, addrElem(a))
		d.families[0] = true
	} else {
		id.v6 = append(id.v6, addrElem(a))
		d.families[1] = true
	}
}

func (d *directory) classOf(a netip.Addr) *ident {
	spans := d.v4
	if !a.Is4() {
		spans = d.v6
	}
	i, found := slices.BinarySearchFunc(spans, a, func(s span, a netip.Addr) int { return s.from.Compare(a) })
	if !found {
		i--
	}
	if i >= 0 && a.Compare(spans[i].to) <= 0 {
		return spans[i].class
	}
	return d.background
}

// cut divides both address spaces at the ends of all prefixes, which nest or are
// disjoint, and gives the pieces covered by the same prefixes one class.
func (d *directory) cut(prefixes []netip.Prefix, networks []topology.Network) {
	for i, p := range prefixes {
		prefixes[i] = p.Masked()
	}
	slices.SortFunc(prefixes, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return cmp.Compare(a.Bits(), b.Bits())
	})
	prefixes = slices.Compact(prefixes)
	classes := map[string]*ident{}
	var open []netip.Prefix // prefixes that cover the current address, outermost first
	var at netip.Addr       // first address not yet given out
	flush := func(to netip.Addr) {
		if len(open) > 0 && at.IsValid() && at.Compare(to) <= 0 {
			d.emit(classes, open, at, to, networks)
		}
	}
	closeUntil := func(next netip.Addr) {
		for len(open) > 0 {
			last := lastAddr(open[len(open)-1])
			if next.IsValid() && next.BitLen() == last.BitLen() && last.Compare(next) >= 0 {
				return
			}
			flush(last)
			open = open[:len(open)-1]
			at = last.Next() // invalid past the last address of the space
		}
	}
	for _, p := range prefixes {
		closeUntil(p.Addr())
		if len(open) > 0 && at.Compare(p.Addr()) < 0 {
			flush(p.Addr().Prev())
		}
		open = append(open, p)
		at = p.Addr()
	}
	closeUntil(netip.Addr{})
}

// emit gives a piece to the class of the prefixes that cover it.
func (d *directory) emit(classes map[string]*ident, open []netip.Prefix, from, to netip.Addr, networks []topology.Network) {
	key := fmt.Sprint(open)
	c := classes[key]
	if c == nil {
		c = &ident{party: policy.Party{Addr: from}, key: strings.Trim(key, "[]")}
		if n := insideNetwork(networks, open); n != nil {
			c.party.Workload, c.party.Labels = true, n.Labels
		}
		classes[key] = c
		d.classes = append(d.classes, c)
	}
	c.ranges = append(c.ranges, Range{From: from, To: to})
	s := span{from, to, c}
	if from.Is4() {
		d.v4 = append(d.v4, s)
	} else {
		d.v6 = append(d.v6, s)
	}
}

// insideNetwork finds the network that gives its labels to addresses covered by
// exactly these prefixes: the most specific, if it is marked Inside.
func insideNetwork(networks []topology.Network, open []netip.Prefix) *topology.Network {
	for i := len(open) - 1; i >= 0; i-- {
		for j := range networks {
			for _, p := range networks[j].Prefixes {
				if p.Masked() == open[i] {
					if networks[j].Inside {
						return &networks[j]
					}
					return nil
				}
			}
		}
	}
	return nil
}

func namesByAddr(domains map[string][]netip.Addr) map[netip.Addr][]string {
	out := map[netip.Addr][]string{}
	for name, addrs := range domains {
		for _, a := range addrs {
			out[a.Unmap()] = append(out[a.Unmap()], name)
		}
	}
	for _, names := range out {
		slices.Sort(names)
	}
	return out
}

func sortedAddrs[V any](m map[netip.Addr]V) []netip.Addr {
	out := make([]netip.Addr, 0, len(m))
	for a := range m {
		out = append(out, a)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}
