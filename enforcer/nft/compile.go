package nft

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/policy"
)

// compiler holds what Compile works on; it lives for one call.
type compiler struct {
	set   *policy.Set
	host  *Host
	terms *terms
	dir   *directory
	pols  []pol  // past draft, by name
	rules []rule // of pols, by policy name, then rule name

	out      Ruleset
	programs map[string]*program
	sets     map[string]bool // names given out
	chains   map[string]bool
	elements int    // of groups' sets so far
	tooMany  string // group at which they were more than maxElements

	broad         map[int32]bool // terms that circles serve
	circles       []*circle
	circlesByTerm map[int32][]*circle
	judges        map[policy.Direction]*judge
	insiders      map[*ident][]*ident // exact idents by class, where that class has labels
}

type pol struct {
	*policy.Policy
	stage policy.Stage // what this host makes of it
	scope int32        // term
	rules []int32
}

type rule struct {
	*policy.Rule
	pol      int32
	from, to []int32 // terms
}

// ErrTooLarge says that a ruleset would need more set elements than a kernel should
// be given. Text comes to that by rules from very many workloads to very many
// groups; such a rule is better written with a network there.
var ErrTooLarge = errors.New("the ruleset would be too large")

// Compile gives the ruleset that makes the kernel do what policy.Evaluate says,
// on that host. It does not keep or change its arguments.
func Compile(set *policy.Set, host Host) (Ruleset, error) {
	c := &compiler{
		set: set, host: &host, terms: newTerms(set),
		programs: map[string]*program{}, sets: map[string]bool{}, chains: map[string]bool{},
		circlesByTerm: map[int32][]*circle{}, judges: map[policy.Direction]*judge{}, insiders: map[*ident][]*ident{},
	}
	c.out.Reports, c.out.Names = map[string]Report{}, map[uint32]string{}
	c.number()
	host.Workloads = c.claims(host.Workloads)
	c.hidden()
	c.unresolved()
	prefixes := append(c.terms.prefixes(), set.BreakGlass...)
	var err error
	if c.dir, err = newDirectory(&host, prefixes, c.terms.keys); err != nil {
		return Ruleset{}, err
	}
	c.terms.match(c.dir.background)
	for _, id := range c.dir.classes {
		c.terms.match(id)
	}
	for _, id := range c.dir.exact {
		c.terms.match(id)
		if id.class.party.Workload {
			c.insiders[id.class] = append(c.insiders[id.class], id)
		}
	}
	in, out := c.groups(policy.Inbound), c.groups(policy.Outbound)
	if !host.Text {
		c.identities(in, out)
	}
	c.end(policy.Inbound, in)
	c.end(policy.Outbound, out)
	c.identityMaps()
	if c.tooMany != "" {
		return Ruleset{}, fmt.Errorf("compile: %w: %d set elements at group %s", ErrTooLarge, c.elements, c.tooMany)
	}
	c.base()
	c.out.Hash = set.Hash()
	c.out.sort()
	c.out.size()
	return c.out, nil
}

// number lists the policies past draft, their rules and their terms.
func (c *compiler) number() {
	for i := range c.set.Policies {
		p := pol{Policy: &c.set.Policies[i], stage: c.set.Policies[i].Stage}
		if p.stage == policy.Enforce && c.host.MonitorOnly {
			p.stage = policy.Monitor
		}
		if p.stage != policy.Draft {
			c.pols = append(c.pols, p)
		}
	}
	slices.SortFunc(c.pols, func(a, b pol) int { return cmp.Compare(a.Name, b.Name) })
	for i := range c.pols {
		p := &c.pols[i]
		p.scope = c.terms.add(policy.Peer{Selector: p.Scope})
		rules := make([]*policy.Rule, len(p.Rules))
		for j := range p.Rules {
			rules[j] = &p.Rules[j]
		}
		slices.SortStableFunc(rules, func(a, b *policy.Rule) int { return cmp.Compare(a.Name, b.Name) })
		for _, r := range rules {
			p.rules = append(p.rules, int32(len(c.rules)))
			c.rules = append(c.rules, rule{Rule: r, pol: int32(i), from: c.number1(r.From), to: c.number1(r.To)})
		}
	}
}

func (c *compiler) number1(peers []policy.Peer) []int32 {
	var out []int32
	for _, p := range peers {
		out = append(out, c.terms.add(p))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// group is the protected idents that one chain serves: same pool, same rules.
type group struct {
	name   string
	number uint32 // by which sets know it; not in text
	pool   []int32
	rules  []int32 // of the pool, whose own side matches
	ids    []*ident
	agent  bool // they judge their end themselves, too
}

// groups sorts the protected idents of this host by what protects them.
func (c *compiler) groups(side policy.Direction) []*group {
	byKey := map[string]*group{}
	var out []*group
	scopes := map[int32][]int32{}
	for i := range c.pols {
		scopes[c.pols[i].scope] = append(scopes[c.pols[i].scope], int32(i))
	}
	for _, id := range slices.Concat(c.dir.exact, c.dir.classes) {
		if !id.party.Workload || (c.host.Mode == ModeHost && !id.self) {
			continue
		}
		g := c.groupOf(id, side, scopes)
		if len(g.pool) == 0 {
			continue
		}
		key := fmt.Sprint(g.agent, listKey(g.pool, g.rules))
		if known := byKey[key]; known != nil {
			known.ids = append(known.ids, id)
			continue
		}
		g.ids = []*ident{id}
		byKey[key] = g
		out = append(out, g)
	}
	return out
}

func (c *compiler) groupOf(id *ident, side policy.Direction, scopes map[int32][]int32) *group {
	g := &group{agent: id.agent}
	for _, t := range id.terms {
		g.pool = append(g.pool, scopes[t]...)
	}
	slices.Sort(g.pool)
	for _, p := range g.pool {
		for _, r := range c.pols[p].rules {
			own := c.rules[r].to
			if side == policy.Outbound {
				own = c.rules[r].from
			}
			if intersects(own, id.terms) {
				g.rules = append(g.rules, r)
			}
		}
	}
	g.name = c.groupName(side, g)
	return g
}

// groupName is stable as long as the same policies and rules, by name, protect
// the group, whoever is in it.
func (c *compiler) groupName(side policy.Direction, g *group) string {
	if len(g.pool) == 0 {
		return ""
	}
	h := fnv.New32a()
	for _, p := range g.pool {
		fmt.Fprintf(h, "%q ", c.pols[p].Name)
	}
	if g.agent {
		fmt.Fprint(h, "agents ")
	}
	for _, r := range g.rules {
		fmt.Fprintf(h, "%q/%q ", c.pols[c.rules[r].pol].Name, c.rules[r].Name)
	}
	return fmt.Sprintf("%s_%s_%08x", sideName(side), identifier(c.pols[g.pool[0]].Name), h.Sum32())
}

func sideName(side policy.Direction) string {
	if side == policy.Inbound {
		return "in"
	}
	return "out"
}

// identifier makes a name safe to stand in the text: letters, digits, dot, dash
// and underscore, at most 40 bytes.
func identifier(s string) string {
	ok := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}
	s = strings.Map(ok, s)
	return s[:min(len(s), 40)]
}

func listKey(lists ...[]int32) string {
	var b []byte
	for _, l := range lists {
		b = binary.AppendUvarint(b, uint64(len(l)))
		for _, v := range l {
			b = binary.AppendUvarint(b, uint64(v))
		}
	}
	return string(b)
}

// intersects reports whether two ascending lists share a value.
func intersects(a, b []int32) bool {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			return true
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return false
}

// programOf returns the program for peers that match these rules of a group.
func (c *compiler) programOf(side policy.Direction, g *group, subs []int32) *program {
	kind := rune(side)
	if g.agent {
		kind |= 1 << 7
	}
	key := string(kind) + listKey(g.pool, subs)
	p := c.programs[key]
	if p == nil {
		p = decider{c, side, g.pool, subs, g.agent}.program()
		c.programs[key] = p
	}
	return p
}

// verdict is what a rule or element ends with for an outcome; it makes the chain
// that reports it.
func (c *compiler) verdict(side policy.Direction, o outcome) Verdict {
	if o.kind == allowed {
		return Verdict{Code: Return}
	}
	p := &c.pols[o.pol]
	rule, name := "", "default"
	if o.rule >= 0 {
		rule = c.rules[o.rule].Name
		name = rule
	}
	what := identifier(p.Name) + "." + identifier(name)
	would := c.reportChain("would", what, Report{Policy: p.Name, Rule: rule, Inbound: side == policy.Inbound}, nil)
	if o.kind == wouldBlock {
		return Verdict{Goto, would}
	}
	drop := c.reportChain("drop", what, Report{Policy: p.Name, Rule: rule, Inbound: side == policy.Inbound, Dropped: true},
		Rule{Verdict{Code: Drop}})
	block := "block" + strings.TrimPrefix(drop, "drop")
	if !c.chains[block] {
		c.addChain(Chain{Name: block, Rules: []Rule{
			{Lookup{By: []Field{Family}, Set: c.gate(p)}, Verdict{Goto, drop}},
			{Verdict{Goto, would}},
		}})
	}
	return Verdict{Goto, block}
}

// reportChain counts and logs, then does last.
func (c *compiler) reportChain(verb, what string, r Report, last Rule) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%q %q %v %v", r.Policy, r.Rule, r.Inbound, r.Dropped)
	r.ID = fmt.Sprintf("%08x", h.Sum32())
	way := "out"
	if r.Inbound {
		way = "in"
	}
	name := fmt.Sprintf("%s_%s_%s_%s", verb, way, what, r.ID)
	if c.chains[name] {
		return name
	}
	c.out.Reports[r.ID] = r
	c.out.Counters = append(c.out.Counters, name)
	prefix := fmt.Sprintf("bulkhead %s %s %s %s", r.ID, verb, way, what)
	ch := Chain{Name: name, Rules: []Rule{
		{Count(name)},
		{Limit{reportRate, reportBurst}, Log{Prefix: prefix[:min(len(prefix), maxPrefix)], Group: LogGroup}},
	}}
	if last != nil {
		ch.Rules = append(ch.Rules, last)
	}
	c.addChain(ch)
	return name
}

// Reports per second that one policy's rule may send, so that a flood of denied
// packets costs no more than this; the counter beside it is exact.
const (
	reportRate  = 500
	reportBurst = 1000
	maxPrefix   = 120 // NF_LOG_PREFIXLEN is 128 with the final NUL
)

// gate returns the set whose presence of elements makes the drops of a policy
// real. Unconfirmed, the elements expire and the policy is in monitor again.
func (c *compiler) gate(p *pol) string {
	name := "gate_" + identifier(p.Name) + "_" + shortHash(p.Name)
	if c.sets[name] {
		return name
	}
	note := "drops of policy " + p.Name + " are real while these elements are here"
	c.addSet(Set{Name: name, Type: NFProto, Timeout: true, Note: note, Elems: []Elem{{Lo: nfprotoIPv4}, {Lo: nfprotoIPv6}},
		Expires: c.host.Unconfirmed[p.Name]})
	return name
}

func shortHash(s string) string {
	h := fnv.New32a()
	h.Write([]byte(s))
	return fmt.Sprintf("%08x", h.Sum32())
}

func (c *compiler) addSet(s Set) {
	c.sets[s.Name] = true
	c.out.Sets = append(c.out.Sets, s)
}

// addSetOnce adds a set unless it is there.
func (c *compiler) addSetOnce(s Set) {
	if !c.sets[s.Name] {
		c.addSet(s)
	}
}

func (c *compiler) addChain(ch Chain) {
	c.chains[ch.Name] = true
	c.out.Chains = append(c.out.Chains, ch)
}
