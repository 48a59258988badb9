package policy

import (
	"math/bits"
	"reflect"
	"slices"

	"github.com/bulkhead/bulkhead/topology"
)

// suspects are the pairs of examples that two sets may judge differently. Most of a
// large estate's policies stay as they are from one version to the next; only what
// a changed rule, scope or stage can reach is compared.
type suspects struct {
	examples []Example
	byLabel  map[string]map[string][]int32 // examples by key and value
	rows     [][]uint64                    // per client: one bit per server; nil for none
}

func newSuspects(old, new *Set, examples []Example) *suspects {
	s := &suspects{examples: examples, byLabel: map[string]map[string][]int32{}, rows: make([][]uint64, len(examples))}
	if !reflect.DeepEqual(old.AlwaysAllowed, new.AlwaysAllowed) || !slices.Equal(old.BreakGlass, new.BreakGlass) {
		all := s.everybody()
		s.add(all, all)
		return s
	}
	for i := range examples {
		for k, v := range examples[i].Party.Labels {
			if s.byLabel[k] == nil {
				s.byLabel[k] = map[string][]int32{}
			}
			s.byLabel[k][v] = append(s.byLabel[k][v], int32(i))
		}
	}
	redefined := changedNetworks(old, new)
	before, after := byName(old), byName(new)
	for name, p := range before {
		s.compare(old, new, p, after[name], redefined)
	}
	for name, q := range after {
		if before[name] == nil {
			s.compare(old, new, nil, q, redefined)
		}
	}
	return s
}

func byName(set *Set) map[string]*Policy {
	out := make(map[string]*Policy, len(set.Policies))
	for i := range set.Policies {
		out[set.Policies[i].Name] = &set.Policies[i]
	}
	return out
}

// changedNetworks are the names that do not mean the same in both.
func changedNetworks(old, new *Set) map[string]bool {
	out := map[string]bool{}
	used := usedNetworks(old)
	for name := range usedNetworks(new) {
		used[name] = true
	}
	for name := range used {
		a, b := old.Network(name), new.Network(name)
		out[name] = a == nil || b == nil || !slices.Equal(a.Prefixes, b.Prefixes) || !slices.Equal(a.Domains, b.Domains)
	}
	return out
}

// compare adds what the difference of one policy reaches: whatever its workloads do
// when more than rules have changed, else the ends of the rules that have.
func (s *suspects) compare(old, new *Set, p, q *Policy, redefined map[string]bool) {
	if p == nil || q == nil || p.Stage != q.Stage || p.Egress != q.Egress || !reflect.DeepEqual(p.Scope, q.Scope) {
		everybody := s.everybody()
		for _, x := range []*Policy{p, q} {
			if x != nil && x.Stage != Draft {
				protected := s.selected(x.Scope)
				s.add(protected, everybody)
				s.add(everybody, protected)
			}
		}
		return
	}
	if p.Stage == Draft {
		return
	}
	was, is := rulesByName(p), rulesByName(q)
	for name, r := range was {
		if x := is[name]; x == nil || names(r, redefined) || !sameRule(r, x) {
			s.add(s.peers(old, r.From), s.peers(old, r.To))
		}
	}
	for name, r := range is {
		if x := was[name]; x == nil || names(r, redefined) || !sameRule(r, x) {
			s.add(s.peers(new, r.From), s.peers(new, r.To))
		}
	}
}

func rulesByName(p *Policy) map[string]*Rule {
	out := make(map[string]*Rule, len(p.Rules))
	for i := range p.Rules {
		out[p.Rules[i].Name] = &p.Rules[i]
	}
	return out
}

func names(r *Rule, networks map[string]bool) bool {
	named := func(pe Peer) bool { return networks[pe.Network] }
	return slices.ContainsFunc(r.From, named) || slices.ContainsFunc(r.To, named)
}

// sameRule reports whether two rules judge alike; what they are described as does
// not matter.
func sameRule(a, b *Rule) bool {
	return a.Action == b.Action && a.Process == b.Process && reflect.DeepEqual(a.From, b.From) && reflect.DeepEqual(a.To, b.To) && slices.Equal(a.Services, b.Services)
}

func (s *suspects) everybody() []int32 {
	out := make([]int32, len(s.examples))
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// selected are the workloads a selector selects.
func (s *suspects) selected(sel Selector) (out []int32) {
	candidates, narrowed := []int32(nil), false
	for _, r := range sel {
		if len(r.In) == 0 {
			continue
		}
		var list []int32
		for _, v := range r.In {
			list = append(list, s.byLabel[r.Key][v]...)
		}
		if !narrowed || len(list) < len(candidates) {
			candidates, narrowed = list, true
		}
	}
	if !narrowed {
		candidates = s.everybody()
	}
	for _, i := range candidates {
		if p := &s.examples[i].Party; p.Workload && sel.Matches(p.Labels) {
			out = append(out, i)
		}
	}
	return out
}

// peers are the examples that one of the peers is.
func (s *suspects) peers(set *Set, peers []Peer) (out []int32) {
	cached := map[string]*topology.Network{} // the built-in one is made anew each time
	network := func(name string) *topology.Network {
		n, ok := cached[name]
		if !ok {
			n = set.Network(name)
			cached[name] = n
		}
		return n
	}
	for i := range peers {
		if peers[i].Selector != nil {
			out = append(out, s.selected(peers[i].Selector)...)
			continue
		}
		for j := range s.examples {
			if peers[i].Matches(&s.examples[j].Party, network) {
				out = append(out, int32(j))
			}
		}
	}
	return out
}

func (s *suspects) add(clients, servers []int32) {
	for _, c := range clients {
		if len(servers) > 0 && s.rows[c] == nil {
			s.rows[c] = make([]uint64, (len(s.examples)+63)/64)
		}
		for _, v := range servers {
			s.rows[c][v/64] |= 1 << (v % 64)
		}
	}
}

// each visits the pairs, by client, then server.
func (s *suspects) each(visit func(client, server int)) {
	for c, row := range s.rows {
		for w, word := range row {
			for ; word != 0; word &= word - 1 {
				visit(c, w*64+bits.TrailingZeros64(word))
			}
		}
	}
}
