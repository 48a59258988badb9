package nft

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
)

// identityGroup compiles what one group says of its peers, by their identities;
// false when it would allow everything. The group is known to the sets by a number
// made from its policies and rules: when these change it is a new group, to which
// identities lead from then on, so that a packet meets the old one or the new one,
// whole. Peers come and go under the number (see phases).
func (c *compiler) identityGroup(side policy.Direction, g *group, byTerm map[int32][]*ident) bool {
	e := identityEmitter{
		placeEmitter: placeEmitter{c: c, side: side, g: g, byClass: map[*ident]*program{}},
		byCircle:     map[*circle]*program{},
	}
	e.base = e.program(nil)
	for _, class := range c.dir.classes {
		if p := e.program(class.terms); !p.equal(e.base) {
			e.place(class, p)
		}
	}
	peers, circles := e.affected(byTerm)
	for _, k := range circles {
		e.addCircle(k)
	}
	for _, id := range peers {
		e.addPeer(id)
	}
	if e.base.open() && e.empty() {
		return false
	}
	c.judge(side).take(&e)
	return true
}

// identityEmitter collects what a group's chain consists of.
type identityEmitter struct {
	placeEmitter
	byCircle map[*circle]*program
	peers    entries // by identity
	circles  entries // by circle
}

// entries are lookups by identity or circle: exact services, and whole programs.
type entries struct {
	services map[outcome][]Elem
	whole    []wholePeer
}

type wholePeer struct {
	elem Elem
	prog *program
}

// program judges a peer that matches these terms.
func (e *identityEmitter) program(terms []int32) *program {
	var subs []int32
	for _, r := range e.g.rules {
		other := e.c.otherEnd(e.side, r)
		if intersects(other, e.c.terms.any) || intersects(other, terms) {
			subs = append(subs, r)
		}
	}
	return e.c.programOf(e.side, e.g, subs)
}

// affected lists the exact idents and the circles that the group's rules name, or
// that differ from the unclaimed addresses around them; in a fixed order.
func (e *identityEmitter) affected(byTerm map[int32][]*ident) (ids []*ident, circles []*circle) {
	seen, seenCircle := map[*ident]bool{}, map[*circle]bool{}
	named := map[int32]bool{}
	for _, r := range e.g.rules {
		for _, t := range e.c.otherEnd(e.side, r) {
			if named[t] || e.c.terms.peers[t].Any {
				continue
			}
			named[t] = true
			if e.c.broad[t] {
				for _, k := range e.c.circlesByTerm[t] {
					seenCircle[k] = true
				}
				continue
			}
			for _, id := range byTerm[t] {
				// Who is in a place has what the place has, unless by name.
				if id.class != nil && !(e.c.terms.isPlace(t) && contains(id.class.terms, t)) {
					seen[id] = true
				}
			}
		}
	}
	for class, inside := range e.c.insiders {
		if slices.ContainsFunc(class.terms, func(t int32) bool { return named[t] && !e.c.terms.isPlace(t) }) {
			for _, id := range inside {
				seen[id] = true // must not get what the network's labels give
			}
		}
	}
	ids = slices.SortedFunc(maps.Keys(seen), func(a, b *ident) int { return cmp.Compare(a.number, b.number) })
	circles = slices.SortedFunc(maps.Keys(seenCircle), func(a, b *circle) int { return cmp.Compare(a.number, b.number) })
	return ids, circles
}

func contains(sorted []int32, v int32) bool {
	_, found := slices.BinarySearch(sorted, v)
	return found
}

// addCircle gives a circle its program, unless that is what its members meet
// without.
func (e *identityEmitter) addCircle(k *circle) {
	p := e.program(k.terms)
	same := true
	for _, class := range k.classes {
		same = same && p.equal(e.under(class))
	}
	if same {
		return
	}
	k.used = true
	e.byCircle[k] = p
	under := e.base
	if len(e.byClass) > 0 {
		under = nil // members may be in several places
	}
	e.circles.add(e.c, Elem{Lo: uint64(k.number)}, p, under)
}

// addPeer gives an identity its program, unless that is what it meets without.
func (e *identityEmitter) addPeer(id *ident) {
	p, under := e.program(id.terms), e.byCircle[id.circle]
	if under == nil {
		under = e.under(id.class)
	}
	if p.equal(under) {
		return
	}
	if e.c.elements++; e.c.elements > maxElements {
		e.c.tooMany = e.g.name
		return
	}
	id.used = true
	e.peers.add(e.c, Elem{Lo: uint64(id.number)}, p, under)
}

// add says that who has this element meets program p, and without it under; a nil
// under is not known.
func (n *entries) add(c *compiler, elem Elem, p, under *program) {
	var cells []cell
	exact := false
	if under != nil {
		cells, exact = p.delta(under)
	}
	if !exact || len(cells) > maxExact {
		n.whole = append(n.whole, wholePeer{elem, p})
		return
	}
	if n.services == nil {
		n.services = map[outcome][]Elem{}
	}
	c.elements += len(cells)
	for _, cell := range cells {
		elem.Service = uint32(cell.proto)<<16 | uint32(cell.from)
		n.services[cell.out] = append(n.services[cell.out], elem)
	}
}

func (e *identityEmitter) empty() bool {
	return len(e.peers.services)+len(e.peers.whole)+len(e.circles.services)+len(e.circles.whole)+len(e.nets) == 0
}

// sum hashes what the group says of peers without entries, to 48 bits.
func (e *identityEmitter) sum() uint64 {
	h := fnv.New64a()
	for _, p := range e.g.pool {
		fmt.Fprintf(h, "%q ", e.c.pols[p].Name)
	}
	for i, r := range e.nets {
		fmt.Fprintln(h, r.From, r.To, e.c.programChain(e.side, e.netProg[i]))
	}
	e.c.hashProgram(h, e.side, e.base)
	return h.Sum64() & (1<<48 - 1)
}
