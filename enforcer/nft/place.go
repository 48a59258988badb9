package nft

import "github.com/bulkhead/bulkhead/policy"

// placeEmitter is the part of a group's chain that is about addresses nobody
// claims, by the networks they are in.
type placeEmitter struct {
	c       *compiler
	side    policy.Direction
	g       *group
	base    *program
	byClass map[*ident]*program
	nets    []Range // class ranges with their program
	netProg []*program
}

// place says that unclaimed addresses of a class meet program p.
func (e *placeEmitter) place(class *ident, p *program) {
	e.byClass[class] = p
	if p.equal(e.base) {
		return
	}
	for _, r := range class.ranges {
		e.nets = append(e.nets, r)
		e.netProg = append(e.netProg, p)
	}
}

// under is the program a packet meets whose address has no entry of its own.
func (e *placeEmitter) under(class *ident) *program {
	if p := e.byClass[class]; p != nil {
		return p
	}
	return e.base
}

// netMaps adds the maps from networks to programs.
func (e *placeEmitter) netMaps(rules []Rule) []Rule {
	f4, f6 := peerFields(e.side, SrcAddr4)
	rules = e.netMap(rules, e.g.name+"_nets4", Addr4, f4)
	return e.netMap(rules, e.g.name+"_nets6", Addr6, f6)
}

// peerFields gives a field of the other end, for IPv4 and IPv6; src is its form for
// a source in IPv4.
func peerFields(side policy.Direction, src Field) (v4, v6 Field) {
	if side == policy.Outbound {
		return src + 1, src + 3
	}
	return src, src + 2
}

// ownFields gives a field of the protected end.
func ownFields(side policy.Direction, src Field) (v4, v6 Field) {
	if side == policy.Inbound {
		return src + 1, src + 3
	}
	return src, src + 2
}

func (e *placeEmitter) netMap(rules []Rule, name string, t SetType, by Field) []Rule {
	s := Set{Name: name, Type: t, Map: true, Interval: true}
	for i, r := range e.nets {
		if r.From.Is4() == (t == Addr4) {
			v := Verdict{Goto, e.c.programChain(e.side, e.netProg[i])}
			r.Target = s.target(v)
			s.Ranges = append(s.Ranges, r)
		}
	}
	if len(s.Ranges) == 0 {
		return rules
	}
	e.c.addSet(s)
	return append(rules, Rule{Lookup{By: []Field{by}, Set: name, Map: true}})
}
