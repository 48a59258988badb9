package nft

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// terms numbers the distinct peers and scopes of a set, and finds for an ident
// those that match it without trying each one.
type terms struct {
	networks func(string) *topology.Network
	peers    []policy.Peer
	byText   map[string]int32
	byLabel  map[[2]string][]int32 // selectors by one label value they need
	loose    []int32               // selectors that need no particular value
	byAddr   []int32               // networks and prefixes
	domains  []int32               // domains, and networks with domains
	any      []int32
	keys     map[string]bool // labels that selectors speak of
}

func newTerms(set *policy.Set) *terms {
	t := &terms{byText: map[string]int32{}, byLabel: map[[2]string][]int32{}, keys: map[string]bool{}}
	known := map[string]*topology.Network{}
	internet := sync.OnceValue(func() *topology.Network { n := policy.Internet(); return &n })
	for i := range set.Networks {
		known[set.Networks[i].Name] = &set.Networks[i]
	}
	t.networks = func(name string) *topology.Network {
		if n, ok := known[name]; ok || name != policy.InternetName {
			return n
		}
		return internet()
	}
	return t
}

// add numbers a peer.
func (t *terms) add(p policy.Peer) int32 {
	text := p.String()
	if id, ok := t.byText[text]; ok {
		return id
	}
	id := int32(len(t.peers))
	t.byText[text] = id
	t.peers = append(t.peers, p)
	switch {
	case p.Any:
		t.any = append(t.any, id)
	case p.Network != "":
		t.byAddr = append(t.byAddr, id)
		if n := t.networks(p.Network); n != nil && len(n.Domains) > 0 {
			t.domains = append(t.domains, id)
		}
	case p.Prefix.IsValid():
		t.byAddr = append(t.byAddr, id)
	case p.Domain != "":
		t.domains = append(t.domains, id)
	default:
		t.addSelector(id, p.Selector)
	}
	return id
}

func (t *terms) addSelector(id int32, s policy.Selector) {
	for _, r := range s {
		t.keys[r.Key] = true
	}
	for _, r := range s {
		if len(r.In) > 0 {
			for _, v := range r.In {
				k := [2]string{r.Key, v}
				t.byLabel[k] = append(t.byLabel[k], id)
			}
			return
		}
	}
	t.loose = append(t.loose, id)
}

// prefixes are all that the terms distinguish addresses by.
func (t *terms) prefixes() (out []netip.Prefix) {
	for _, id := range t.byAddr {
		if p := &t.peers[id]; p.Prefix.IsValid() {
			out = append(out, p.Prefix)
		} else if n := t.networks(p.Network); n != nil {
			out = append(out, n.Prefixes...)
		}
	}
	return out
}

// match fills id.terms. The class of an exact ident must have been matched
// before.
func (t *terms) match(id *ident) {
	var out []int32
	try := func(candidates []int32) {
		for _, c := range candidates {
			if t.peers[c].Matches(&id.party, t.networks) {
				out = append(out, c)
			}
		}
	}
	out = append(out, t.any...)
	for k, v := range id.party.Labels {
		try(t.byLabel[[2]string{k, v}])
	}
	try(t.loose)
	if id.class == nil {
		try(t.byAddr)
	} else {
		for _, c := range id.class.terms { // same prefixes, same answers
			if p := &t.peers[c]; p.Network != "" || p.Prefix.IsValid() {
				out = append(out, c)
			}
		}
	}
	if len(id.party.Domains) > 0 {
		try(t.domains)
	}
	slices.Sort(out)
	id.terms = slices.Compact(out)
}
