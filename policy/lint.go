package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
)

// Lint is one thing that is legal and probably not meant.
type Lint struct {
	Policy string   `json:"policy"`
	Rule   string   `json:"rule,omitempty"` // "" for the policy itself
	Kind   LintKind `json:"kind"`
	Why    string   `json:"why"`
}

// LintKind is what is wrong.
type LintKind string

const (
	LintShadowed      LintKind = "shadowed"      // another rule always decides first
	LintRedundant     LintKind = "redundant"     // another rule says the same and more
	LintContradictory LintKind = "contradictory" // allowed and denied in the same words
	LintOutside       LintKind = "outside-scope" // the policy protects neither end it would decide at
	LintBroad         LintKind = "too-broad"     // everybody, or every service
	LintNoMatch       LintKind = "no-match"      // a selector selects no workload
	LintUnused        LintKind = "unused"        // nothing in the recorded window used it
)

// String gives "policy/rule: kind: why".
func (l Lint) String() string {
	where := l.Policy
	if l.Rule != "" {
		where += "/" + l.Rule
	}
	return fmt.Sprintf("%s: %s: %s", where, l.Kind, l.Why)
}

// Check looks for rules that do nothing, say too much or contradict each other.
// workloads are the inventory's; nil skips what only they can show. uses are a
// simulation's; nil skips unused rules.
func Check(set *Set, workloads []Party, uses []RuleUse) []Lint {
	c := &checker{set: set, workloads: workloads}
	for i := range set.Policies {
		p := &set.Policies[i]
		c.scope(p)
		for j := range p.Rules {
			c.rule(p, &p.Rules[j])
		}
	}
	for _, u := range uses {
		if r := set.rule(u.Policy, u.Rule); r != nil && r.Action == Allow && u.Connections == 0 {
			c.add(u.Policy, u.Rule, LintUnused, "no connection of the window used it")
		}
	}
	slices.SortStableFunc(c.found, func(a, b Lint) int {
		return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Kind, b.Kind))
	})
	return c.found
}

func (s *Set) rule(policyName, rule string) *Rule {
	for i := range s.Policies {
		if s.Policies[i].Name != policyName {
			continue
		}
		for j := range s.Policies[i].Rules {
			if s.Policies[i].Rules[j].Name == rule {
				return &s.Policies[i].Rules[j]
			}
		}
	}
	return nil
}

type checker struct {
	set       *Set
	workloads []Party
	found     []Lint
}

func (c *checker) add(policyName, rule string, kind LintKind, format string, args ...any) {
	c.found = append(c.found, Lint{policyName, rule, kind, fmt.Sprintf(format, args...)})
}

func (c *checker) scope(p *Policy) {
	if len(p.Scope) == 0 {
		c.add(p.Name, "", LintBroad, "the scope is every workload: all of them become deny-by-default at once")
	}
	if c.workloads != nil && !c.selects(p.Scope) {
		c.add(p.Name, "", LintNoMatch, "no workload is in its scope (%s)", p.Scope)
	}
}

func (c *checker) selects(s Selector) bool {
	for i := range c.workloads {
		if s.Matches(c.workloads[i].Labels) {
			return true
		}
	}
	return false
}

func (c *checker) rule(p *Policy, r *Rule) {
	c.broad(p, r)
	if c.workloads != nil {
		for _, pe := range append(slices.Clone(r.From), r.To...) {
			if pe.Selector != nil && !c.selects(pe.Selector) {
				c.add(p.Name, r.Name, LintNoMatch, "no workload is %s", pe.Selector)
			}
		}
	}
	if !anyMeets(r.To, p.Scope) && (p.Egress == EgressAllow && r.Action == Allow || !anyMeets(r.From, p.Scope)) {
		c.add(p.Name, r.Name, LintOutside, "its servers are outside the scope (%s), and the outbound side is open", p.Scope)
	}
	for i := range c.set.Policies {
		o := &c.set.Policies[i]
		if o.Name != p.Name && !o.Scope.covers(p.Scope) {
			continue // it does not stand at every end this policy stands at
		}
		for j := range o.Rules {
			if x := &o.Rules[j]; x != r {
				c.against(p, r, o, x)
			}
		}
	}
}

func (c *checker) broad(p *Policy, r *Rule) {
	everybody := slices.ContainsFunc(r.From, func(pe Peer) bool { return pe.Any || pe.Network == InternetName })
	everything := len(r.Services) == 0 || slices.ContainsFunc(r.Services, func(s Service) bool { return s.Proto == 0 })
	switch {
	case r.Action != Allow:
	case everybody && everything:
		c.add(p.Name, r.Name, LintBroad, "it allows every service from everybody")
	case everybody && slices.ContainsFunc(r.Services, grantsControl):
		c.add(p.Name, r.Name, LintBroad, "it allows services that give control of the machine from everybody")
	case everything && slices.ContainsFunc(r.From, func(pe Peer) bool { return pe.Selector != nil && len(pe.Selector) == 0 }):
		c.add(p.Name, r.Name, LintBroad, "it allows every service from every workload")
	}
}

// grantsControl reports remote administration and file sharing.
func grantsControl(s Service) bool {
	for _, p := range []uint16{22, 23, 135, 139, 445, 3389, 5900, 5985, 5986} {
		if s.Matches(flow.Service{Proto: flow.TCP, Port: p}) {
			return true
		}
	}
	return false
}

// against compares r with another rule x that is judged wherever r is.
func (c *checker) against(p *Policy, r *Rule, o *Policy, x *Rule) {
	if o.Stage < p.Stage || !x.covers(c.set, r) {
		return // a rule of an earlier stage does not decide what r decides
	}
	name := fmt.Sprintf("%q", x.Name)
	if o.Name != p.Name {
		name += fmt.Sprintf(" of policy %q", o.Name)
	}
	same := r.covers(c.set, x)
	switch {
	case precedence(x.Action) < precedence(r.Action) && same && p.Name == o.Name && r.Action != OverrideDeny:
		c.add(p.Name, r.Name, LintContradictory, "rule %s says %s of the same traffic, and wins", name, x.Action)
	case precedence(x.Action) < precedence(r.Action):
		c.add(p.Name, r.Name, LintShadowed, "rule %s (%s) decides all of its traffic first", name, x.Action)
	case x.Action == r.Action && (!same || x.Name < r.Name || o.Name < p.Name):
		c.add(p.Name, r.Name, LintRedundant, "rule %s covers all of it", name)
	}
}

// covers reports whether x matches whatever r matches.
func (x *Rule) covers(set *Set, r *Rule) bool {
	return (x.Process == "" || x.Process == r.Process) && servicesCover(x.Services, r.Services) && peersCover(set, x.From, r.From) && peersCover(set, x.To, r.To)
}

func peersCover(set *Set, big, small []Peer) bool {
	for i := range small {
		if !slices.ContainsFunc(big, func(b Peer) bool { return b.covers(set, &small[i]) }) {
			return false
		}
	}
	return true
}

// covers is exact for one peer against one; a union that covers only together is
// missed, never the other way round.
func (pe *Peer) covers(set *Set, o *Peer) bool {
	switch {
	case pe.Any:
		return true
	case pe.Selector != nil:
		return o.Selector != nil && pe.Selector.covers(o.Selector)
	case pe.Domain != "":
		return o.Domain != "" && (pe.Domain == o.Domain || (o.Domain[0] != '*' && domainMatches(pe.Domain, o.Domain)))
	case o.Network != "" && o.Network == pe.Network:
		return true
	}
	big, ok1 := peerPrefixes(set, pe)
	small, ok2 := peerPrefixes(set, o)
	if !ok1 || !ok2 {
		return false
	}
	for _, s := range small {
		if !slices.ContainsFunc(big, func(b netip.Prefix) bool { return b.Bits() <= s.Bits() && b.Contains(s.Addr()) }) {
			return false
		}
	}
	return true
}

// peerPrefixes are the addresses of a peer that is nothing but addresses.
func peerPrefixes(set *Set, pe *Peer) ([]netip.Prefix, bool) {
	if pe.Prefix.IsValid() {
		return []netip.Prefix{pe.Prefix.Masked()}, true
	}
	if pe.Network == "" {
		return nil, false
	}
	n := set.Network(pe.Network)
	return n.Prefixes, n != nil && len(n.Domains) == 0
}

// covers reports whether s selects whatever o selects.
func (s Selector) covers(o Selector) bool {
	for _, r := range s {
		i := slices.IndexFunc(o, func(x Requirement) bool { return x.Key == r.Key })
		if i < 0 {
			return false // r needs the key, o does not
		}
		for _, v := range o[i].In {
			if !slices.Contains(o[i].Not, v) && (len(r.In) > 0 && !slices.Contains(r.In, v) || slices.Contains(r.Not, v)) {
				return false
			}
		}
		if len(o[i].In) == 0 && (len(r.In) > 0 || slices.ContainsFunc(r.Not, func(v string) bool { return !slices.Contains(o[i].Not, v) })) {
			return false
		}
	}
	return true
}

// anyMeets reports whether a peer may be a workload of the scope. Addresses may
// be anybody's.
func anyMeets(peers []Peer, scope Selector) bool {
	return slices.ContainsFunc(peers, func(pe Peer) bool { return pe.Selector == nil || pe.Selector.meets(scope) })
}

// meets reports whether some labels satisfy both selectors.
func (s Selector) meets(o Selector) bool {
	for _, r := range s {
		for _, x := range o {
			if r.Key != x.Key || (len(r.In) == 0 && len(x.In) == 0) {
				continue
			}
			values := r.In
			if len(values) == 0 {
				values = x.In
			}
			if !slices.ContainsFunc(values, func(v string) bool {
				l := map[string]string{r.Key: v}
				return r.matches(l) && x.matches(l)
			}) {
				return false
			}
		}
	}
	return true
}

func servicesCover(big, small []Service) bool {
	if len(big) == 0 {
		return true
	}
	if len(small) == 0 {
		small = []Service{{To: 65535}}
	}
	all := big
	if len(big) > 1 {
		all = united(slices.Clone(big))
	}
	for _, s := range small {
		if !slices.ContainsFunc(all, func(b Service) bool { return b.Proto == 0 || (b.Proto == s.Proto && b.From <= s.From && s.To <= b.To) }) {
			return false
		}
	}
	return true
}

// MayMeet reports whether some party may be both peers: false only when that is
// certain.
func (pe *Peer) MayMeet(o *Peer) bool {
	switch {
	case pe.Selector != nil && o.Selector != nil:
		return pe.Selector.meets(o.Selector)
	case pe.Prefix.IsValid() && o.Prefix.IsValid():
		return pe.Prefix.Overlaps(o.Prefix)
	case pe.Domain != "" && o.Domain != "":
		return domainMatches(pe.Domain, o.Domain) || domainMatches(o.Domain, pe.Domain)
	}
	return true
}

// MayMeet reports whether one flow may match both rules.
func (r *Rule) MayMeet(o *Rule) bool {
	peers := func(a, b []Peer) bool {
		return slices.ContainsFunc(a, func(x Peer) bool {
			return slices.ContainsFunc(b, func(y Peer) bool { return x.MayMeet(&y) })
		})
	}
	services := len(r.Services) == 0 || len(o.Services) == 0 || slices.ContainsFunc(r.Services, func(a Service) bool {
		return slices.ContainsFunc(o.Services, func(b Service) bool {
			return a.Proto == 0 || b.Proto == 0 || (a.Proto == b.Proto && a.From <= b.To && b.From <= a.To)
		})
	})
	return services && peers(r.From, o.From) && peers(r.To, o.To)
}
