package nft

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Changes leads from one ruleset to another. Its parts are sorted by name.
type Changes struct {
	NewTable                 bool // there was none
	AddCounters, DelCounters []string
	AddSets, DelSets         []Set // whole; their elements are in Elements too
	Elements                 []SetChange
	AddChains, DelChains     []Chain // AddChains' rules are in Rules too
	Rules                    []ChainChange

	before, after numbers // that packets may come by
}

// SetChange is the difference of one set's content.
type SetChange struct {
	Set                  *Set // as it shall be
	Add, Del             []Elem
	AddRanges, DelRanges []Range
	old                  *Set // as it was; nil when it is new
}

// ChainChange is a chain whose rules are replaced.
type ChainChange struct {
	Chain    string
	Old, New []Rule
}

// Diff says what must change for old to become new. The Ruleset it was given must
// not change afterwards. An old that is not there is the zero Ruleset.
func Diff(old, new Ruleset) Changes {
	var c Changes
	c.NewTable = len(old.Chains)+len(old.Sets)+len(old.Counters) == 0
	merge(old.Counters, new.Counters, strings.Compare,
		func(gone *string) { c.DelCounters = append(c.DelCounters, *gone) },
		func(come *string) { c.AddCounters = append(c.AddCounters, *come) },
		func(_, _ *string) {})
	merge(old.Sets, new.Sets, func(a, b Set) int { return cmp.Compare(a.Name, b.Name) },
		func(gone *Set) { c.DelSets = append(c.DelSets, *gone) },
		func(come *Set) { c.addSet(come) },
		func(a, b *Set) { c.compareSets(a, b) })
	merge(old.Chains, new.Chains, func(a, b Chain) int { return cmp.Compare(a.Name, b.Name) },
		func(gone *Chain) { c.DelChains = append(c.DelChains, *gone) },
		func(come *Chain) { c.addChain(come) },
		func(a, b *Chain) { c.compareChains(a, b) })
	c.rewire(&old, &new)
	c.before, c.after = old.given(), new.given()
	return c
}

// numbers are the identities and circles that addresses have, and the groups that
// identities, places or rules have.
type numbers struct{ identities, groups map[uint32]bool }

// given lists the numbers a ruleset gives out.
func (r *Ruleset) given() numbers {
	n := numbers{map[uint32]bool{}, map[uint32]bool{}}
	for i := range r.Sets {
		to := n.identities
		if r.Sets[i].Words == groupWords {
			to = n.groups
		}
		for _, id := range r.Sets[i].Identities {
			to[id.Number], to[id.Circle] = true, true
		}
	}
	for i := range r.Chains {
		for _, rule := range r.Chains[i].Rules {
			for _, e := range rule {
				if l, ok := e.(Lookup); ok && l.Group != 0 {
					n.groups[l.Group] = true
				}
			}
		}
	}
	return n
}

// keyIn reports whether a packet can come to an element of a set by these numbers;
// true for sets that are not asked by such.
func (n numbers) keyIn(s *Set, e Elem) bool {
	switch { // 0 is nobody's number
	case s.Type == GroupPeer || s.Type == GroupPeerService:
		return n.groups[uint32(e.Hi)] && n.identities[uint32(e.Lo)]
	case s.Type == Ident && s.Words > 0:
		return n.identities[uint32(e.Lo)]
	case s.Type == Ident:
		return n.groups[uint32(e.Lo)]
	}
	return true
}

// rewire writes the rules again that ask a set which is made anew under its name.
func (c *Changes) rewire(old, new *Ruleset) {
	made := map[string]bool{}
	for _, s := range c.DelSets {
		if _, again := new.Set(s.Name); again {
			made[s.Name] = true
		}
	}
	if len(made) == 0 {
		return
	}
	known := map[string]bool{}
	for _, r := range c.Rules {
		known[r.Chain] = true
	}
	asks := func(r Rule) bool {
		return slices.ContainsFunc(r.sets(), func(name string) bool { return made[name] })
	}
	for i := range new.Chains {
		ch := &new.Chains[i]
		if before, ok := old.Chain(ch.Name); ok && !known[ch.Name] && slices.ContainsFunc(before.Rules, asks) {
			c.Rules = append(c.Rules, ChainChange{ch.Name, before.Rules, ch.Rules})
		}
	}
	slices.SortFunc(c.Rules, func(a, b ChainChange) int { return cmp.Compare(a.Chain, b.Chain) })
}

// sets lists the sets a rule asks.
func (r Rule) sets() (out []string) {
	for _, e := range r {
		l, ok := e.(Lookup)
		if !ok {
			continue
		}
		out = append(out, l.Set)
		for _, f := range l.By {
			out = append(out, f.maps()...)
		}
	}
	return out
}

func (c *Changes) addSet(s *Set) {
	c.AddSets = append(c.AddSets, *s)
	if len(s.Elems)+len(s.Ranges) > 0 {
		c.Elements = append(c.Elements, SetChange{Set: s, Add: s.Elems, AddRanges: s.Ranges})
	}
}

func (c *Changes) addChain(ch *Chain) {
	c.AddChains = append(c.AddChains, *ch)
	if len(ch.Rules) > 0 {
		c.Rules = append(c.Rules, ChainChange{Chain: ch.Name, New: ch.Rules})
	}
}

func (c *Changes) compareSets(a, b *Set) {
	if a.Type != b.Type || a.Map != b.Map || a.Words != b.Words || a.Interval != b.Interval || a.Timeout != b.Timeout || !sizesAgree(a, b) {
		c.replaceSet(a, b)
		return
	}
	sc := SetChange{Set: b, old: a}
	moved := func(t, u uint32) bool {
		return a.Map && a.Targets[t] != b.Targets[u] || a.Words > 0 && a.Identities[t] != b.Identities[u] || a.Expires != b.Expires
	}
	merge(a.Elems, b.Elems, compareElems,
		func(gone *Elem) { sc.Del = append(sc.Del, *gone) },
		func(come *Elem) { sc.Add = append(sc.Add, *come) },
		func(x, y *Elem) {
			if moved(x.Target, y.Target) {
				sc.Del, sc.Add = append(sc.Del, *x), append(sc.Add, *y)
			}
		})
	order := func(x, y Range) int {
		if d := x.From.Compare(y.From); d != 0 {
			return d
		}
		return x.To.Compare(y.To)
	}
	merge(a.Ranges, b.Ranges, order,
		func(gone *Range) { sc.DelRanges = append(sc.DelRanges, *gone) },
		func(come *Range) { sc.AddRanges = append(sc.AddRanges, *come) },
		func(x, y *Range) {
			if moved(x.Target, y.Target) {
				sc.DelRanges, sc.AddRanges = append(sc.DelRanges, *x), append(sc.AddRanges, *y)
			}
		})
	if a.Size > 0 && len(a.Elems)+len(sc.Add) > a.Size { // new ones may come before old ones go
		c.replaceSet(a, b)
		return
	}
	if !sc.empty() {
		c.Elements = append(c.Elements, sc)
	}
}

func (c *Changes) replaceSet(a, b *Set) {
	c.DelSets = append(c.DelSets, *a)
	c.addSet(b)
}

func (c *Changes) compareChains(a, b *Chain) {
	if a.Hook != b.Hook || a.Note != "" && a.Hook != NoHook {
		c.DelChains = append(c.DelChains, *a)
		c.addChain(b)
		return
	}
	if !slices.EqualFunc(a.Rules, b.Rules, func(x, y Rule) bool { return x.key() == y.key() }) {
		c.Rules = append(c.Rules, ChainChange{b.Name, a.Rules, b.Rules})
	}
}

// key is the text by which two rules are the same: the kernel knows control
// groups by number only.
func (r Rule) key() string {
	r = slices.Clone(r)
	for i, e := range r {
		if c, ok := e.(Cgroup); ok {
			c.Path = ""
			r[i] = c
		}
	}
	return r.String()
}

// merge walks two sorted lists side by side.
func merge[T any](old, new []T, order func(a, b T) int, gone, come func(*T), both func(a, b *T)) {
	i, j := 0, 0
	for i < len(old) || j < len(new) {
		d := 0
		switch {
		case i == len(old):
			d = 1
		case j == len(new):
			d = -1
		default:
			d = order(old[i], new[j])
		}
		switch {
		case d < 0:
			gone(&old[i])
			i++
		case d > 0:
			come(&new[j])
			j++
		default:
			both(&old[i], &new[j])
			i, j = i+1, j+1
		}
	}
}

// Empty reports whether there is nothing to do.
func (c Changes) Empty() bool {
	return len(c.AddCounters)+len(c.DelCounters)+len(c.AddSets)+len(c.DelSets)+len(c.Elements)+
		len(c.AddChains)+len(c.DelChains)+len(c.Rules) == 0
}

// maxListed elements of a set are written out in a diff; the rest is counted.
const maxListed = 20

// String gives the changes as lines that begin with + or -, for a person.
func (c Changes) String() string {
	if c.Empty() {
		return "no change\n"
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, s := range c.DelSets {
		line("- set %s (%d elements)", s.Name, len(s.Elems)+len(s.Ranges))
	}
	for _, s := range c.AddSets {
		line("+ set %s (%d elements)", s.Name, len(s.Elems)+len(s.Ranges))
	}
	for i := range c.Elements {
		c.Elements[i].write(line)
	}
	for _, ch := range c.DelChains {
		line("- chain %s", ch.Name)
	}
	for _, ch := range c.AddChains {
		line("+ chain %s", ch.Name)
	}
	for _, ch := range c.Rules {
		ch.write(line)
	}
	return b.String()
}

func (s *SetChange) write(line func(string, ...any)) {
	n := len(s.Add) + len(s.Del) + len(s.AddRanges) + len(s.DelRanges)
	line("  set %s: %d elements added, %d removed", s.Set.Name, len(s.Add)+len(s.AddRanges), len(s.Del)+len(s.DelRanges))
	listed := 0
	show := func(sign, text string, in *Set, target uint32) {
		if listed++; listed <= maxListed {
			line("    %s %s%s", sign, text, in.valueText(target))
		}
	}
	for _, e := range s.Del {
		show("-", e.text(s.Set.Type), s.old, e.Target)
	}
	for _, r := range s.DelRanges {
		show("-", r.text(), s.old, r.Target)
	}
	for _, e := range s.Add {
		show("+", e.text(s.Set.Type), s.Set, e.Target)
	}
	for _, r := range s.AddRanges {
		show("+", r.text(), s.Set, r.Target)
	}
	if n > maxListed {
		line("    … and %d more", n-maxListed)
	}
}

// write shows the rules that differ; rules that stay are left out.
func (c *ChainChange) write(line func(string, ...any)) {
	line("  chain %s:", c.Chain)
	old, new := ruleTexts(c.Old), ruleTexts(c.New)
	for _, r := range old {
		if !slices.Contains(new, r) {
			line("    - %s", r)
		}
	}
	for _, r := range new {
		if !slices.Contains(old, r) {
			line("    + %s", r)
		}
	}
}

func ruleTexts(rules []Rule) []string {
	out := make([]string, len(rules))
	for i, r := range rules {
		out[i] = r.String()
	}
	return out
}
