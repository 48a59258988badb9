package nft

import "github.com/bulkhead/bulkhead/policy"

// dispatchMaps lead from the protected end to its group, in text: by exact address,
// then by ranges of addresses no workload claims; IPv4 and IPv6.
type dispatchMaps struct {
	v4, v6 Set
	nets   [2]Set
}

func newDispatchMaps(name string) *dispatchMaps {
	const exact, nets = "the group of each protected address", "the group of addresses no workload claims"
	return &dispatchMaps{
		v4: Set{Name: name + "4", Type: Addr4, Map: true, Note: exact},
		v6: Set{Name: name + "6", Type: Addr6, Map: true, Note: exact},
		nets: [2]Set{
			{Name: name + "_nets4", Type: Addr4, Map: true, Interval: true, Note: nets},
			{Name: name + "_nets6", Type: Addr6, Map: true, Interval: true, Note: nets},
		},
	}
}

// fillDispatch puts every protected end into the maps. An address that no group
// protects but whose surroundings one does is listed to return.
func (c *compiler) fillDispatch(groups []*group, maps *dispatchMaps) {
	listed, nets := map[*ident]bool{}, map[*ident]bool{}
	for _, g := range groups {
		for _, id := range g.ids {
			listed[id] = true
			nets[id] = len(id.ranges) > 0
			maps.add(id, Verdict{Goto, g.name})
		}
	}
	for _, id := range c.dir.exact {
		if !listed[id] && (nets[id.class] || (c.host.Mode == ModeHost && id.self)) {
			maps.add(id, Verdict{Code: Return})
		}
	}
}

func (m *dispatchMaps) add(id *ident, v Verdict) {
	for _, r := range id.ranges {
		s := &m.nets[0]
		if r.From.Is6() {
			s = &m.nets[1]
		}
		r.Target = s.target(v)
		s.Ranges = append(s.Ranges, r)
	}
	m.v4.lead(id.v4, v)
	m.v6.lead(id.v6, v)
}

// lead adds elements to a verdict map.
func (s *Set) lead(elems []Elem, v Verdict) {
	if len(elems) == 0 {
		return
	}
	target := s.target(v)
	for _, e := range elems {
		e.Target = target
		s.Elems = append(s.Elems, e)
	}
}

// rules adds the maps that are not empty, and gives the rules that ask them.
func (m *dispatchMaps) rules(c *compiler, side policy.Direction) (rules []Rule) {
	ask := func(s *Set, f Field) {
		if len(s.Elems)+len(s.Ranges) > 0 {
			c.addSet(*s)
			rules = append(rules, Rule{Lookup{By: []Field{f}, Set: s.Name, Map: true}})
		}
	}
	f4, f6 := ownFields(side, SrcAddr4)
	ask(&m.v4, f4)
	ask(&m.v6, f6)
	ask(&m.nets[0], f4)
	ask(&m.nets[1], f6)
	return rules
}

// known leaves the fields of those families of which there are exact addresses.
func (c *compiler) known(v4, v6 Field) (fields []Field) {
	for i, f := range []Field{v4, v6} {
		if c.dir.families[i] {
			fields = append(fields, f)
		}
	}
	return fields
}
