package nft

import (
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
)

// maxExact is how many exact services one address may bring into a group's
// address . service set before it gets a program of its own.
const maxExact = 32

// maxElements bounds a ruleset: rules from very many workloads to very many groups
// multiply, and what the kernel takes minutes to load helps nobody.
const maxElements = 5_000_000

// end compiles one end of flows: the chains of all its groups, and the chain "in"
// or "out" that leads to them.
func (c *compiler) end(side policy.Direction, all []*group) {
	byTerm := c.peersByTerm()
	compile := c.identityGroup
	if c.host.Text {
		compile = c.group
	}
	var groups []*group
	for _, g := range all {
		if compile(side, g, byTerm) {
			groups = append(groups, g)
		}
	}
	if len(groups) == 0 {
		return // nobody is judged at this end
	}
	dispatch := c.dispatch
	if !c.host.Text {
		dispatch = func(_ policy.Direction, groups []*group) []Rule { return c.judge(side).chain(groups) }
	}
	c.always(side, dispatch(side, groups))
}

// peersByTerm lists, for each term, the idents it matches, in a fixed order.
func (c *compiler) peersByTerm() map[int32][]*ident {
	out := map[int32][]*ident{}
	for _, id := range slices.Concat(c.dir.classes, c.dir.exact) {
		for _, t := range id.terms {
			if !c.terms.peers[t].Any {
				out[t] = append(out[t], id)
			}
		}
	}
	return out
}

// group compiles one group's chain; false when it would allow everything, so that
// no packet need go there.
func (c *compiler) group(side policy.Direction, g *group, byTerm map[int32][]*ident) bool {
	var always []int32              // rules whose other side is any
	special := map[*ident][]int32{} // rules that match, by peer
	var order []*ident              // of special, deterministic
	for _, r := range g.rules {
		other := c.otherEnd(side, r)
		if intersects(other, c.terms.any) {
			always = append(always, r)
			continue
		}
		for _, t := range other {
			for _, id := range byTerm[t] {
				subs, known := special[id]
				if !known {
					order = append(order, id)
				}
				if len(subs) == 0 || subs[len(subs)-1] != r {
					special[id] = append(subs, r)
				}
			}
		}
	}
	base := c.programOf(side, g, always)
	e := groupEmitter{placeEmitter: placeEmitter{c: c, side: side, g: g, base: base, byClass: map[*ident]*program{}}}
	for _, id := range order { // classes come first: peersByTerm lists them so
		subs := slices.Concat(special[id], always)
		slices.Sort(subs)
		special[id] = subs
	}
	e.peers(order, special)
	if base.open() && e.empty() {
		return false
	}
	c.addChain(Chain{Name: g.name, Rules: e.rules(), Note: c.groupNote(side, g)})
	return true
}

// groupNote says in words whom a chain protects.
func (c *compiler) groupNote(side policy.Direction, g *group) string {
	var names []string
	for _, p := range g.pool {
		names = append(names, fmt.Sprintf("%s (%s)", c.pols[p].Name, c.pols[p].stage))
	}
	addrs := 0
	for _, id := range g.ids {
		addrs += len(id.v4) + len(id.v6)
	}
	way := "to"
	if side == policy.Outbound {
		way = "from"
	}
	labels := g.ids[0].party.Labels.String()
	if len(g.ids) > 1 {
		labels += " and others"
	}
	return fmt.Sprintf("%s %d addresses of %s; policies %v", way, addrs, labels, names)
}

// groupEmitter collects what a group's chain consists of, in text: the addresses
// of peers themselves.
type groupEmitter struct {
	placeEmitter
	exact map[outcome]*[2][]Elem // address . service elements, v4 and v6
	wide  []widePeers
}

// widePeers are exact addresses that share a program.
type widePeers struct {
	prog   *program
	v4, v6 []Elem
}

// peers sorts every special peer into the cheapest form that is right.
func (e *groupEmitter) peers(order []*ident, subs map[*ident][]int32) {
	e.exact = map[outcome]*[2][]Elem{}
	program := func(id *ident) *program { return e.c.programOf(e.side, e.g, subs[id]) }
	for _, id := range e.c.dir.classes {
		if _, ok := subs[id]; ok {
			e.place(id, program(id))
		}
	}
	for _, id := range e.c.dir.exact {
		p := e.base
		if _, ok := subs[id]; ok {
			p = program(id)
		} else if e.byClass[id.class] == nil {
			continue
		}
		under := e.base
		if q := e.byClass[id.class]; q != nil {
			under = q
		}
		e.peer(id, p, under)
	}
}

// peer adds exact addresses with program p, where without them the packet would
// meet program under.
func (e *groupEmitter) peer(id *ident, p, under *program) {
	if p.equal(under) {
		return
	}
	cells, ok := p.delta(under)
	wide := !ok || len(cells) > maxExact
	n := len(id.v4) + len(id.v6)
	if !wide {
		n *= len(cells)
	}
	if e.c.elements += n; e.c.elements > maxElements {
		e.c.tooMany = e.g.name // keep the name, not the elements
		return
	}
	if wide {
		e.widePeer(id, p)
		return
	}
	for _, cell := range cells {
		x := e.exact[cell.out]
		if x == nil {
			x = &[2][]Elem{}
			e.exact[cell.out] = x
		}
		svc := uint32(cell.proto)<<16 | uint32(cell.from)
		x[0] = appendService(x[0], id.v4, svc)
		x[1] = appendService(x[1], id.v6, svc)
	}
}

func appendService(to, addrs []Elem, svc uint32) []Elem {
	to = slices.Grow(to, len(addrs))
	for _, a := range addrs {
		a.Service = svc
		to = append(to, a)
	}
	return to
}

func (e *groupEmitter) widePeer(id *ident, p *program) {
	for i := range e.wide {
		if e.wide[i].prog.equal(p) {
			e.wide[i].v4 = append(e.wide[i].v4, id.v4...)
			e.wide[i].v6 = append(e.wide[i].v6, id.v6...)
			return
		}
	}
	e.wide = append(e.wide, widePeers{p, slices.Clone(id.v4), slices.Clone(id.v6)})
}

func (e *groupEmitter) empty() bool { return len(e.exact)+len(e.wide)+len(e.nets) == 0 }

// rules gives the chain: exact address and service, exact address, network, then
// the default.
func (e *groupEmitter) rules() (rules []Rule) {
	f4, f6 := SrcAddr4, SrcAddr6
	if e.side == policy.Outbound {
		f4, f6 = DstAddr4, DstAddr6
	}
	for _, o := range sortedOutcomes(e.exact) {
		v := e.c.verdict(e.side, o)
		name := e.g.name + "_" + outcomeName(v)
		rules = e.lookup(rules, name+"4", Addr4Service, []Field{f4, Proto, DstPort}, e.exact[o][0], v)
		rules = e.lookup(rules, name+"6", Addr6Service, []Field{f6, Proto, DstPort}, e.exact[o][1], v)
	}
	for _, w := range e.wide {
		v := Verdict{Goto, e.c.programChain(e.side, w.prog)}
		name := e.g.name + "_" + v.Chain
		rules = e.lookup(rules, name+"_4", Addr4, []Field{f4}, w.v4, v)
		rules = e.lookup(rules, name+"_6", Addr6, []Field{f6}, w.v6, v)
	}
	rules = e.netMaps(rules)
	return append(rules, e.c.programRules(e.side, e.base, e.g.name)...)
}

func (e *groupEmitter) lookup(rules []Rule, name string, t SetType, by []Field, elems []Elem, v Verdict) []Rule {
	if len(elems) == 0 {
		return rules
	}
	e.c.addSet(Set{Name: name, Type: t, Elems: elems})
	return append(rules, Rule{Lookup{By: by, Set: name}, v})
}

// target returns the index of v among the set's targets.
func (s *Set) target(v Verdict) uint32 {
	for i, t := range s.Targets {
		if t == v {
			return uint32(i)
		}
	}
	s.Targets = append(s.Targets, v)
	return uint32(len(s.Targets) - 1)
}

func outcomeName(v Verdict) string {
	if v.Code == Return {
		return "allow"
	}
	return v.Chain
}

func sortedOutcomes[V any](m map[outcome]V) []outcome {
	out := make([]outcome, 0, len(m))
	for o := range m {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b outcome) int {
		if a.kind != b.kind {
			return int(a.kind) - int(b.kind)
		}
		if a.pol != b.pol {
			return int(a.pol - b.pol)
		}
		return int(a.rule - b.rule)
	})
	return out
}
