package nft

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
)

// judge is the chain that judges packets at one end, and its sets: for all groups
// together, so that few rules ask the large maps of identities. (The kernel
// looks at each rule that asks a map when an element is added to it.)
type judge struct {
	c        *compiler
	side     policy.Direction
	groups   Set    // identity → group
	places   [2]Set // addresses no workload claims → group; IPv4, IPv6
	services Set    // group . peer's identity . service → verdict
	peers    Set    // group . peer's identity → chain
	circles  struct{ services, peers Set }
	rest     Set // group → what holds for everybody else
	taken    map[uint32]bool
}

// unjudged is the group of identities that no policy judges, where one judges the
// addresses around them.
const unjudged = 1

func (c *compiler) judge(side policy.Direction) *judge {
	if j := c.judges[side]; j != nil {
		return j
	}
	end := sideName(side)
	j := &judge{
		c: c, side: side, taken: map[uint32]bool{0: true, unjudged: true},
		groups: Set{Name: end + groupMap, Type: Ident, Words: groupWords, Note: "the group of each protected identity"},
		places: [2]Set{
			{Name: end + placeMap4, Type: Addr4, Words: groupWords, Interval: true, Note: "the group of addresses no workload claims"},
			{Name: end + placeMap6, Type: Addr6, Words: groupWords, Interval: true, Note: "the group of addresses no workload claims"},
		},
		services: Set{Name: end + "_services", Type: GroupPeerService, Map: true, Note: "what a peer's identity may use in a group"},
		peers:    Set{Name: end + "_peers", Type: GroupPeer, Map: true, Note: "peers to whom more than exact services apply"},
		rest:     Set{Name: end + "_rest", Type: Ident, Map: true, Note: "what applies in a group to everybody else"},
	}
	j.circles.services = Set{Name: end + "_circle_services", Type: GroupPeerService, Map: true, Note: "what a peer's circle may use in a group"}
	j.circles.peers = Set{Name: end + "_circle_peers", Type: GroupPeer, Map: true, Note: "circles to which more than exact services apply"}
	c.judges[side] = j
	return j
}

// take gives a group its number and puts what it consists of into the sets.
func (j *judge) take(e *identityEmitter) {
	number := uint32(j.c.definition(e.g))
	for j.taken[number] {
		number++
	}
	j.taken[number] = true
	j.entries(number, &e.peers, &j.services, &j.peers)
	j.entries(number, &e.circles, &j.circles.services, &j.circles.peers)
	j.rest.lead([]Elem{{Lo: uint64(number)}}, j.restOf(e))
	j.c.out.Names[number] = j.c.groupNote(j.side, e.g)
	e.g.number = number
}

// definition hashes what policies and rules say of a group, whoever they are about.
func (c *compiler) definition(g *group) uint64 {
	h := fnv.New64a()
	fmt.Fprintln(h, g.agent)
	for _, p := range g.pool {
		fmt.Fprintf(h, "%q %v %v\n", c.pols[p].Name, c.pols[p].stage, c.pols[p].Egress)
	}
	for _, i := range g.rules {
		r := &c.rules[i]
		fmt.Fprintf(h, "%q %q %v %q %v %s %s\n", c.pols[r.pol].Name, r.Name, r.Action, r.Process, r.Services, c.terms.names(r.from), c.terms.names(r.to))
	}
	return h.Sum64()
}

func (j *judge) entries(group uint32, n *entries, services, peers *Set) {
	for _, o := range sortedOutcomes(n.services) {
		for i := range n.services[o] {
			n.services[o][i].Hi = uint64(group)
		}
		services.lead(n.services[o], j.c.verdict(j.side, o))
	}
	for _, w := range n.whole {
		w.elem.Hi = uint64(group)
		peers.lead([]Elem{w.elem}, Verdict{Goto, j.c.programChain(j.side, w.prog)})
	}
}

// restOf is where peers go whose identity and circle say nothing: to the group's
// networks, then its default.
func (j *judge) restOf(e *identityEmitter) Verdict {
	if len(e.nets) == 0 {
		if len(e.base.cells)+len(e.base.processes) == 0 {
			return j.c.verdict(j.side, e.base.other)
		}
		return Verdict{Goto, j.c.programChain(j.side, e.base)}
	}
	e.g.name = fmt.Sprintf("%s_%012x", e.g.name[:len(e.g.name)-9], e.sum())
	if !j.c.chains[e.g.name] { // several groups may say the same
		rules := append(e.netMaps(nil), j.c.programRules(j.side, e.base, e.g.name)...)
		j.c.addChain(Chain{Name: e.g.name, Rules: rules})
	}
	return Verdict{Goto, e.g.name}
}

// chain adds the sets and the chain that asks them, and gives the rule that leads
// there.
func (j *judge) chain(groups []*group) []Rule {
	first := j.join(groups)
	var rules []Rule
	if len(groups) > 1 || first == nil || len(j.c.host.Self) != 1 || j.c.host.Mode == ModeGateway {
		rules = j.ask(rules, j.c.known(ownFields(j.side, SrcGroup4)), &j.groups, 0)
		for i, f := range fields(ownFields(j.side, SrcPlace4)) {
			rules = j.ask(rules, []Field{f}, &j.places[i], 0)
		}
	}
	if first != nil { // whatever address it comes for
		rules = j.ask(rules, []Field{ThisGroup}, nil, first.number)
	}
	if len(rules) == 0 {
		return nil
	}
	for _, s := range []*Set{&j.groups, &j.places[0], &j.places[1], &j.services, &j.peers, &j.circles.services, &j.circles.peers, &j.rest} {
		if asked(rules, s.Name) {
			j.c.addSet(*s)
		}
	}
	name := sideName(j.side) + "_judge"
	j.c.addChain(Chain{Name: name, Rules: rules})
	return []Rule{{Verdict{Goto, name}}}
}

func fields(v4, v6 Field) []Field { return []Field{v4, v6} }

func asked(rules []Rule, set string) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return slices.Contains(r.sets(), set) })
}

// join puts every protected end into the maps of groups, and returns the group of
// a host's first workload, which stands for its addresses that nobody claims.
func (j *judge) join(groups []*group) (first *group) {
	listed, places := map[*ident]bool{}, map[*ident]bool{}
	for _, g := range groups {
		for _, id := range g.ids {
			listed[id] = true
			places[id] = len(id.ranges) > 0
			j.add(id, g.number)
			if id.first && j.c.host.Mode == ModeHost {
				first = g
			}
		}
	}
	for _, id := range j.c.dir.exact {
		if !listed[id] && (places[id.class] || j.c.host.Mode == ModeHost && id.self) {
			j.add(id, unjudged)
			if len(j.c.out.Names[unjudged]) == 0 {
				j.c.out.Names[unjudged] = "judged by no policy"
			}
			j.rest.lead([]Elem{{Lo: unjudged}}, Verdict{Code: Return})
		}
	}
	slices.SortFunc(j.rest.Elems, compareElems)
	j.rest.Elems = slices.Compact(j.rest.Elems)
	return first
}

func (j *judge) add(id *ident, group uint32) {
	if id.class != nil {
		id.used = true
		j.groups.identify([]Elem{{Lo: uint64(id.number)}}, Identity{Number: group})
		return
	}
	for _, r := range id.ranges {
		s := &j.places[0]
		if r.From.Is6() {
			s = &j.places[1]
		}
		s.Identities = append(s.Identities, Identity{Number: group})
		r.Target = uint32(len(s.Identities) - 1)
		s.Ranges = append(s.Ranges, r)
	}
}

// ask adds the rules that judge a packet whose own group the fields say; own, which
// leads there, may be nil for a group that is known.
func (j *judge) ask(rules []Rule, fields []Field, own *Set, group uint32) []Rule {
	if own != nil && len(own.Elems)+len(own.Ranges) == 0 {
		return rules
	}
	for _, step := range []struct {
		set  *Set
		peer Field
		more []Field
	}{
		{&j.services, SrcIdent4, []Field{Proto, DstPort}}, {&j.peers, SrcIdent4, nil},
		{&j.circles.services, SrcCircle4, []Field{Proto, DstPort}}, {&j.circles.peers, SrcCircle4, nil},
	} {
		if len(step.set.Elems) == 0 {
			continue
		}
		for _, f := range fields {
			for _, peer := range j.c.known(peerFields(j.side, step.peer)) {
				if f == ThisGroup || sameFamily(f, peer) {
					rules = append(rules, Rule{Lookup{By: slices.Concat([]Field{f, peer}, step.more), Group: group, Set: step.set.Name, Map: true}})
				}
			}
		}
	}
	if own == nil {
		i := slices.IndexFunc(j.rest.Elems, func(e Elem) bool { return e.Lo == uint64(group) })
		return append(rules, Rule{j.rest.Targets[j.rest.Elems[i].Target]})
	}
	for _, f := range fields {
		rules = append(rules, Rule{Lookup{By: []Field{f}, Set: j.rest.Name, Map: true}})
	}
	return rules
}

func sameFamily(a, b Field) bool { return (a.address() >= SrcAddr6) == (b.address() >= SrcAddr6) }

// identityMaps adds the maps from addresses to the identities that sets speak of,
// and what their numbers mean.
func (c *compiler) identityMaps() {
	maps := [2]Set{
		{Name: identity4, Type: Addr4, Words: identityWords, Note: "whom the policies take an address for"},
		{Name: identity6, Type: Addr6, Words: identityWords, Note: "whom the policies take an address for"},
	}
	any := false
	var known [2]int
	for _, id := range c.dir.exact {
		known[0], known[1] = known[0]+len(id.v4), known[1]+len(id.v6)
	}
	for i := range maps {
		maps[i].Elems = make([]Elem, 0, known[i])
	}
	for _, id := range c.dir.exact {
		value := Identity{Number: id.number}
		if k := id.circle; k != nil && k.used {
			value.Circle = k.number
			c.out.Names[k.number] = k.name
		}
		if !id.used && value.Circle == 0 {
			continue
		}
		any = true
		c.out.Names[id.number] = id.name()
		for i, elems := range [2][]Elem{id.v4, id.v6} {
			maps[i].identify(elems, value)
		}
	}
	for i := range maps {
		if any && c.dir.families[i] {
			c.addSet(maps[i])
		}
	}
}

// identify adds the addresses of one identity.
func (s *Set) identify(addrs []Elem, value Identity) {
	if len(addrs) == 0 {
		return
	}
	target := uint32(len(s.Identities))
	s.Identities = append(s.Identities, value)
	for _, a := range addrs {
		a.Target = target
		s.Elems = append(s.Elems, a)
	}
}
