package nft

import "slices"

// phases divides changes into transactions of which one, the middle one, matters:
//
//   - ahead goes what nothing in the old ruleset can meet: new counters, sets and
//     chains, and what is said of identities that no address has yet, and of
//     groups that nobody is in yet;
//   - then the switch;
//   - behind goes what nothing in the new ruleset can meet: what is said of
//     identities and groups that nobody has any more, and what only that leads to.
//
// A packet under way at the switch sees elements of sets change while it still
// runs the old rules (nft_do_chain reads the generation once, every lookup reads
// it again). With this, whatever such a packet takes from one side leads to
// something complete on the other.
func (c Changes) phases() (list []Changes) {
	ahead, rest := c.split()
	rest, behind := rest.leaveBehind()
	for _, part := range []Changes{ahead, rest, behind} {
		if !part.Empty() {
			list = append(list, part)
		}
	}
	return list
}

// split separates what nothing in the old ruleset can refer to from the rest.
func (c Changes) split() (ahead, rest Changes) {
	rest = c
	ahead.AddCounters = c.AddCounters
	rest.AddCounters, rest.AddSets, rest.AddChains, rest.Elements, rest.Rules = nil, nil, nil, nil, nil
	gone := map[string]bool{} // replaced under the same name: not new
	for _, s := range c.DelSets {
		gone["set "+s.Name] = true
	}
	for _, ch := range c.DelChains {
		gone["chain "+ch.Name] = true
	}
	fresh := map[string]bool{}
	for _, s := range c.AddSets {
		if gone["set "+s.Name] {
			rest.AddSets = append(rest.AddSets, s)
			continue
		}
		fresh["set "+s.Name] = true
		ahead.AddSets = append(ahead.AddSets, s)
	}
	for _, ch := range c.AddChains {
		if gone["chain "+ch.Name] || ch.Hook != NoHook {
			rest.AddChains = append(rest.AddChains, ch)
			continue
		}
		fresh["chain "+ch.Name] = true
		ahead.AddChains = append(ahead.AddChains, ch)
	}
	for _, e := range c.Elements {
		if fresh["set "+e.Set.Name] {
			ahead.Elements = append(ahead.Elements, e)
			continue
		}
		early, late := e.divide(e.Add, e.Del, c.before)
		if len(early) > 0 {
			ahead.Elements = append(ahead.Elements, SetChange{Set: e.Set, old: e.old, Add: early})
			e.Add = late
		}
		if !e.empty() {
			rest.Elements = append(rest.Elements, e)
		}
	}
	for _, r := range c.Rules {
		if fresh["chain "+r.Chain] && !asksReplaced(r.New, gone) {
			ahead.Rules = append(ahead.Rules, r)
		} else {
			rest.Rules = append(rest.Rules, r)
		}
	}
	return ahead, rest
}

// asksReplaced reports whether rules ask a set that is made anew under its name.
func asksReplaced(rules []Rule, gone map[string]bool) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool {
		return slices.ContainsFunc(r.sets(), func(name string) bool { return gone["set "+name] })
	})
}

// divide separates elements that packets cannot come to by these numbers, and
// which are not in other: one in both is not changed but comes or goes.
func (s *SetChange) divide(elems, other []Elem, n numbers) (apart, rest []Elem) {
	if s.old == nil || !s.Set.keyedByNumber() { // no set of numbers
		return nil, elems
	}
	moved := make(map[Elem]bool, len(other))
	for _, e := range other {
		e.Target = 0
		moved[e] = true
	}
	for _, e := range elems {
		key := e
		key.Target = 0
		if n.keyIn(s.Set, e) || moved[key] {
			rest = append(rest, e)
		} else {
			apart = append(apart, e)
		}
	}
	return apart, rest
}

// keyedByNumber reports whether elements are about identities, circles or groups.
func (s *Set) keyedByNumber() bool {
	return s.Type == Ident || s.Type == GroupPeer || s.Type == GroupPeerService
}

func (s *SetChange) empty() bool {
	return len(s.Add)+len(s.Del)+len(s.AddRanges)+len(s.DelRanges) == 0
}

// leaveBehind takes out what can go once the switch is done.
func (c Changes) leaveBehind() (now, behind Changes) {
	now = c
	now.Elements = nil
	for _, e := range c.Elements {
		late, early := e.divide(e.Del, e.Add, c.after)
		if len(late) > 0 {
			behind.Elements = append(behind.Elements, SetChange{Set: e.Set, old: e.old, Del: late})
			e.Del = early
		}
		if !e.empty() {
			now.Elements = append(now.Elements, e)
		}
	}
	if len(behind.Elements) == 0 {
		return c, behind
	}
	again := map[string]bool{}
	for _, s := range c.AddSets {
		again["set "+s.Name] = true
	}
	now.DelSets, now.DelChains, now.DelCounters = nil, nil, nil
	for _, s := range c.DelSets {
		if again["set "+s.Name] {
			now.DelSets = append(now.DelSets, s)
		} else {
			behind.DelSets = append(behind.DelSets, s)
		}
	}
	for _, ch := range c.DelChains {
		if ch.Hook != NoHook {
			now.DelChains = append(now.DelChains, ch)
			continue
		}
		if asksReplaced(ch.Rules, again) { // the set cannot go while it is asked
			now.Rules = append(now.Rules, ChainChange{Chain: ch.Name, Old: ch.Rules})
			ch.Rules = nil
		}
		behind.DelChains = append(behind.DelChains, ch)
	}
	behind.DelCounters = c.DelCounters
	return now, behind
}
