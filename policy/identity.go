package policy

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// vocabulary is what a set can tell parties apart by: the label values its
// selectors name, the address ranges of its networks, the domains. Parties that
// agree in all of it are judged alike. It is immutable.
type vocabulary struct {
	keys    []string            // label keys in selectors, sorted
	values  []map[string]uint32 // per key: value → 1-based id
	ranges4 []netip.Addr        // starts of elementary IPv4 ranges, sorted
	ranges6 []netip.Addr
	domains map[string]uint32 // exact pattern or "*."-less suffix pattern → id; see domainIDs
}

const (
	valueAbsent uint32 = 0xffffffff // the party has no such key
	valueOther  uint32 = 0          // it has a value no selector names
)

func newVocabulary(set *Set) *vocabulary {
	v := &vocabulary{domains: map[string]uint32{}}
	seen := map[string]map[string]bool{}
	eachSelector(set, func(s Selector) {
		for _, r := range s {
			if seen[r.Key] == nil {
				seen[r.Key] = map[string]bool{}
			}
			for _, value := range append(slices.Clone(r.In), r.Not...) {
				seen[r.Key][value] = true
			}
		}
	})
	for k := range seen {
		v.keys = append(v.keys, k)
	}
	slices.Sort(v.keys)
	for _, k := range v.keys {
		ids := make(map[string]uint32, len(seen[k]))
		for value := range seen[k] {
			ids[value] = uint32(len(ids)) + 1
		}
		v.values = append(v.values, ids)
	}
	v.addRanges(set)
	eachDomain(set, func(d string) {
		d = strings.ToLower(d)
		if _, ok := v.domains[d]; !ok {
			v.domains[d] = uint32(len(v.domains)) + 1
		}
	})
	return v
}

// eachSelector visits scopes and peers.
func eachSelector(set *Set, visit func(Selector)) {
	for i := range set.Policies {
		visit(set.Policies[i].Scope)
		for j := range set.Policies[i].Rules {
			r := &set.Policies[i].Rules[j]
			for _, pe := range r.From {
				visit(pe.Selector)
			}
			for _, pe := range r.To {
				visit(pe.Selector)
			}
		}
	}
}

// eachPeerAddress visits every prefix by which a peer may be told from another.
func eachPrefix(set *Set, visit func(netip.Prefix)) {
	all := func(prefixes []netip.Prefix) {
		for _, p := range prefixes {
			visit(p)
		}
	}
	for _, x := range set.AlwaysAllowed {
		all(x.Networks)
	}
	all(set.BreakGlass)
	for name := range usedNetworks(set) {
		if n := set.Network(name); n != nil {
			all(n.Prefixes)
		}
	}
	eachPeer(set, func(pe *Peer) {
		if pe.Prefix.IsValid() {
			visit(pe.Prefix)
		}
	})
}

func eachDomain(set *Set, visit func(string)) {
	for name := range usedNetworks(set) {
		if n := set.Network(name); n != nil {
			for _, d := range n.Domains {
				visit(d)
			}
		}
	}
	eachPeer(set, func(pe *Peer) {
		if pe.Domain != "" {
			visit(pe.Domain)
		}
	})
}

func usedNetworks(set *Set) map[string]bool {
	used := map[string]bool{}
	eachPeer(set, func(pe *Peer) {
		if pe.Network != "" {
			used[pe.Network] = true
		}
	})
	return used
}

func eachPeer(set *Set, visit func(*Peer)) {
	for i := range set.Policies {
		for j := range set.Policies[i].Rules {
			r := &set.Policies[i].Rules[j]
			for k := range r.From {
				visit(&r.From[k])
			}
			for k := range r.To {
				visit(&r.To[k])
			}
		}
	}
}

// addRanges cuts the address space where a prefix begins or ends: addresses in
// one elementary range are in the same prefixes.
func (v *vocabulary) addRanges(set *Set) {
	eachPrefix(set, func(p netip.Prefix) {
		p = p.Masked()
		starts := &v.ranges6
		if p.Addr().Is4() {
			starts = &v.ranges4
		}
		*starts = append(*starts, p.Addr())
		if after := lastOf(p).Next(); after.IsValid() {
			*starts = append(*starts, after)
		}
	})
	for _, starts := range []*[]netip.Addr{&v.ranges4, &v.ranges6} {
		slices.SortFunc(*starts, netip.Addr.Compare)
		*starts = slices.Compact(*starts)
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	if p.Addr().Is4() {
		b := p.Addr().As4()
		setHostBits(b[:], p.Bits())
		return netip.AddrFrom4(b)
	}
	b := p.Addr().As16()
	setHostBits(b[:], p.Bits())
	return netip.AddrFrom16(b)
}

func setHostBits(b []byte, bits int) {
	for i := bits; i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
}

// rangeOf returns the elementary range of a: equal for addresses the set cannot
// tell apart by address.
func (v *vocabulary) rangeOf(a netip.Addr) uint32 {
	if !a.IsValid() {
		return 0
	}
	a = a.Unmap()
	starts, family := v.ranges6, uint32(1)<<31
	if a.Is4() {
		starts, family = v.ranges4, 0
	}
	n := sort.Search(len(starts), func(i int) bool { return a.Less(starts[i]) })
	return family + uint32(n) + 1
}

// appendKey writes the identity of p: label value ids, address range, domains. A
// party outside gets no labels.
func (v *vocabulary) appendKey(key []byte, p *Party) []byte {
	if p.Workload {
		key = append(key, 1)
		key = v.appendLabels(key, p.Labels)
	} else {
		key = append(key, 0)
	}
	key = binary.LittleEndian.AppendUint32(key, v.rangeOf(p.Addr))
	if len(v.domains) > 0 && len(p.Domains) > 0 {
		key = v.appendDomains(key, p.Domains)
	}
	return key
}

func (v *vocabulary) appendLabels(key []byte, labels topology.Labels) []byte {
	for i, k := range v.keys {
		id := valueAbsent
		if value, ok := labels[k]; ok {
			id = v.values[i][value]
		}
		key = binary.LittleEndian.AppendUint32(key, id)
	}
	return key
}

// appendDomains writes the ids of the patterns that match, sorted and once each.
func (v *vocabulary) appendDomains(key []byte, names []string) []byte {
	start := len(key)
	for _, name := range names {
		name = strings.ToLower(strings.TrimSuffix(name, ".")) // allocates only when upper case is there
		if id, ok := v.domains[name]; ok {
			key = insertID(key, start, id)
		}
		for i := 1; i < len(name); i++ { // "*." patterns match every proper suffix
			if name[i] == '.' {
				key = v.appendSuffix(key, start, name[i:])
			}
		}
	}
	return key
}

func (v *vocabulary) appendSuffix(key []byte, start int, dotSuffix string) []byte {
	var pattern [256]byte
	if len(dotSuffix) >= len(pattern) {
		return key
	}
	pattern[0] = '*'
	n := 1 + copy(pattern[1:], dotSuffix)
	if id, ok := v.domains[string(pattern[:n])]; ok {
		key = insertID(key, start, id)
	}
	return key
}

// insertID keeps the 4-byte ids from start on sorted and unique.
func insertID(key []byte, start int, id uint32) []byte {
	at := len(key)
	for at > start {
		have := binary.LittleEndian.Uint32(key[at-4:])
		if have == id {
			return key
		}
		if have < id {
			break
		}
		at -= 4
	}
	key = append(key, 0, 0, 0, 0)
	copy(key[at+4:], key[at:len(key)-4])
	binary.LittleEndian.PutUint32(key[at:], id)
	return key
}
