package nft

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/policy"
)

// circle is what idents have in common when only broad peers are looked at ("every
// workload", env=prod): a rule from very many idents to very many groups names
// their circles, of which there are few, instead of multiplying idents.
type circle struct {
	number  uint32
	name    string
	terms   []int32  // broad selectors, networks and prefixes that match; ascending
	classes []*ident // of the members
	used    bool     // a set names the number
}

// broadProduct is how many elements a peer may cost, spelled out in every group
// that names it, before it is served by circles.
const broadProduct = 20_000

// identities gives every exact ident its number and finds the circles. Numbers
// come from what the ident is, so that they stay when others come and go.
func (c *compiler) identities(in, out []*group) {
	broad := c.broadTerms(in, out)
	ids := slices.Clone(c.dir.exact)
	slices.SortFunc(ids, func(a, b *ident) int { return cmp.Compare(a.key, b.key) })
	taken := map[uint32]bool{0: true}
	circles := map[string]*circle{}
	for _, id := range ids {
		id.number = freeNumber(taken, id.key)
		var terms []int32
		anyBroad := false
		for _, t := range id.terms {
			if broad[t] || c.terms.isPlace(t) {
				terms = append(terms, t)
				anyBroad = anyBroad || broad[t]
			}
		}
		if !anyBroad {
			continue
		}
		key := listKey(terms)
		k := circles[key]
		if k == nil {
			k = &circle{terms: terms, name: c.terms.names(terms)}
			circles[key] = k
			c.circles = append(c.circles, k)
		}
		id.circle = k
		if !slices.Contains(k.classes, id.class) {
			k.classes = append(k.classes, id.class)
		}
	}
	slices.SortFunc(c.circles, func(a, b *circle) int { return cmp.Compare(a.name, b.name) })
	taken = map[uint32]bool{0: true}
	for _, k := range c.circles {
		k.number = freeNumber(taken, k.name)
		for _, t := range k.terms {
			c.circlesByTerm[t] = append(c.circlesByTerm[t], k)
		}
	}
	c.broad = broad
}

// freeNumber hashes a key to a number nobody has.
func freeNumber(taken map[uint32]bool, key string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(key))
	n := h.Sum32()
	for taken[n] {
		n++
	}
	taken[n] = true
	return n
}

// broadTerms are the selectors that would cost more than broadProduct elements.
func (c *compiler) broadTerms(in, out []*group) map[int32]bool {
	members, users := make([]int, len(c.terms.peers)), make([]int, len(c.terms.peers))
	for _, id := range c.dir.exact {
		for _, t := range id.terms {
			members[t]++
		}
	}
	count := func(side policy.Direction, list []*group) {
		for _, g := range list {
			var seen []int32
			for _, r := range g.rules {
				seen = append(seen, c.otherEnd(side, r)...)
			}
			slices.Sort(seen)
			for _, t := range slices.Compact(seen) {
				users[t]++
			}
		}
	}
	count(policy.Inbound, in)
	count(policy.Outbound, out)
	broad := map[int32]bool{}
	for t := range c.terms.peers {
		p := &c.terms.peers[t]
		selector := !p.Any && p.Domain == "" && !c.terms.isPlace(int32(t))
		if selector && members[t]*users[t] > broadProduct {
			broad[int32(t)] = true
		}
	}
	return broad
}

// isPlace reports whether a term matches by address.
func (t *terms) isPlace(id int32) bool {
	p := &t.peers[id]
	return p.Network != "" || p.Prefix.IsValid()
}

func (t *terms) names(list []int32) string {
	var out []string
	for _, id := range list {
		out = append(out, t.peers[id].String())
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

// otherEnd lists the terms of a rule's other side.
func (c *compiler) otherEnd(side policy.Direction, r int32) []int32 {
	if side == policy.Outbound {
		return c.rules[r].to
	}
	return c.rules[r].from
}
