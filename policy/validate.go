package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/topology"
)

// ErrInvalid marks a set that has no meaning; the message names what and where.
var ErrInvalid = errors.New("invalid policy set")

// Normal returns a copy in normal form: policies, networks and exceptions by
// name, selectors in key order, lists sorted and without repeats, free text on
// one line. Rules keep their order. The meaning is unchanged.
func (s *Set) Normal() *Set {
	out := &Set{
		Policies:      slices.Clone(s.Policies),
		Networks:      slices.Clone(s.Networks),
		AlwaysAllowed: slices.Clone(s.AlwaysAllowed),
		BreakGlass:    sortedPrefixes(s.BreakGlass),
	}
	slices.SortStableFunc(out.Policies, func(a, b Policy) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(out.Networks, func(a, b topology.Network) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(out.AlwaysAllowed, func(a, b Exception) int { return cmp.Compare(a.Name, b.Name) })
	for i := range out.Policies {
		p := &out.Policies[i]
		p.Description = oneLine(p.Description)
		p.Scope = p.Scope.normal()
		p.Rules = slices.Clone(p.Rules)
		for j := range p.Rules {
			p.Rules[j] = p.Rules[j].normal()
		}
	}
	for i := range out.Networks {
		n := &out.Networks[i]
		n.Prefixes = sortedPrefixes(n.Prefixes)
		n.Domains = sortedUnique(n.Domains)
	}
	for i := range out.AlwaysAllowed {
		x := &out.AlwaysAllowed[i]
		x.Why, x.Services, x.Networks = oneLine(x.Why), sortedServices(x.Services), sortedPrefixes(x.Networks)
	}
	return out
}

func (r Rule) normal() Rule {
	r.Description = oneLine(r.Description)
	r.From, r.To, r.Services = sortedPeers(r.From), sortedPeers(r.To), sortedServices(r.Services)
	return r
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func sortedPeers(peers []Peer) []Peer {
	out := make([]Peer, len(peers))
	for i, p := range peers {
		if p.Selector != nil {
			p.Selector = p.Selector.normal()
		}
		out[i] = p
	}
	slices.SortStableFunc(out, func(a, b Peer) int { return cmp.Compare(a.String(), b.String()) })
	return slices.CompactFunc(out, func(a, b Peer) bool { return a.String() == b.String() })
}

func sortedServices(services []Service) []Service {
	if len(services) == 0 {
		return nil
	}
	out := slices.Clone(services)
	slices.SortFunc(out, func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(out)
}

func sortedPrefixes(prefixes []netip.Prefix) []netip.Prefix {
	if len(prefixes) == 0 {
		return nil
	}
	out := slices.Clone(prefixes)
	for i := range out {
		out[i] = out[i].Masked()
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out)
}

// Validate reports the first thing that gives the set no meaning, or that would
// cut an operator off: a name used twice or unfit for an enforcement point, a
// reference to nothing, a rule without an end, an exception every host needs
// left out.
func (s *Set) Validate() error {
	if err := s.validate(nil); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func (s *Set) validate(at *parser) error {
	fail := func(where, format string, args ...any) error {
		msg := fmt.Sprintf(format, args...)
		if at == nil {
			return errors.New(msg)
		}
		return &strictyaml.Error{File: at.file, Line: at.policyLines[where], Msg: msg}
	}
	for i := range s.Networks {
		if err := s.checkNetwork(i); err != nil {
			return fail("", "%v", err)
		}
	}
	if err := s.checkAlways(); err != nil {
		return fail("", "%v", err)
	}
	for i := range s.Policies {
		p := &s.Policies[i]
		if i > 0 && s.Policies[i-1].Name == p.Name {
			return fail(p.Name, "policy %q appears twice", p.Name)
		}
		if err := p.check(); err != nil {
			return fail(p.Name, "policy %q: %v", p.Name, err)
		}
		seen := map[string]bool{}
		for j := range p.Rules {
			r := &p.Rules[j]
			err := r.check(s)
			if seen[r.Name] {
				err = errors.New("the name appears twice in the policy")
			}
			if err != nil {
				return fail(p.Name+"/"+r.Name, "policy %q rule %q: %v", p.Name, r.Name, err)
			}
			seen[r.Name] = true
		}
	}
	return nil
}

func (s *Set) checkNetwork(i int) error {
	n := &s.Networks[i]
	if err := checkName(n.Name); err != nil {
		return fmt.Errorf("network %q: %w", n.Name, err)
	}
	if i > 0 && s.Networks[i-1].Name == n.Name {
		return fmt.Errorf("network %q appears twice", n.Name)
	}
	for _, d := range n.Domains {
		if err := checkDomain(d); err != nil {
			return fmt.Errorf("network %q: %w", n.Name, err)
		}
	}
	return nil
}

// checkAlways refuses a list without what a host cannot live without. A set built
// in code may leave the list nil: that is a set without exceptions, for tests.
func (s *Set) checkAlways() error {
	if s.AlwaysAllowed == nil {
		return nil
	}
	for _, need := range DefaultAlwaysAllowed() {
		if need.Name != ExceptionLoopback && need.Name != ExceptionNeighbour && need.Name != ExceptionICMPErrors {
			continue
		}
		if !slices.ContainsFunc(s.AlwaysAllowed, func(x Exception) bool { return x.Name == need.Name }) {
			return fmt.Errorf("the always-allowed list leaves out %q: %s", need.Name, need.Why)
		}
	}
	for i, x := range s.AlwaysAllowed {
		if err := checkName(x.Name); err != nil {
			return fmt.Errorf("exception %q: %w", x.Name, err)
		}
		if i > 0 && s.AlwaysAllowed[i-1].Name == x.Name {
			return fmt.Errorf("exception %q appears twice", x.Name)
		}
		if len(x.Services) == 0 && len(x.Networks) == 0 {
			return fmt.Errorf("exception %q would allow everything; give it services or networks", x.Name)
		}
	}
	return nil
}

func (p *Policy) check() error {
	if err := checkName(p.Name); err != nil {
		return err
	}
	if !plainText(p.Description) {
		return errors.New("the description holds control characters")
	}
	return p.Scope.check()
}

func (r *Rule) check(s *Set) error {
	if err := checkName(r.Name); err != nil {
		return err
	}
	if !plainText(r.Description) || !plainText(r.Process) {
		return errors.New("a text holds control characters")
	}
	if len(r.From) == 0 || len(r.To) == 0 {
		return errors.New("from and to need at least one peer each; any is a peer")
	}
	for _, pe := range append(slices.Clone(r.From), r.To...) {
		if err := pe.check(s); err != nil {
			return err
		}
	}
	for _, svc := range r.Services {
		if err := svc.check(); err != nil {
			return err
		}
	}
	return nil
}

func (s Service) check() error {
	if s.From > s.To {
		return fmt.Errorf("service range %d-%d ends before it begins", s.From, s.To)
	}
	if back, err := ParseService(s.String()); err != nil || len(back) != 1 || back[0].From != s.From || back[0].To != s.To {
		return fmt.Errorf("service %s cannot be written: protocol %d has no range %d-%d", s, s.Proto, s.From, s.To)
	}
	return nil
}

func (pe *Peer) check(s *Set) error {
	set := 0
	for _, is := range []bool{pe.Any, pe.Selector != nil, pe.Network != "", pe.Prefix.IsValid(), pe.Domain != ""} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return errors.New("a peer is exactly one of any, labels, network, cidr, domain")
	case pe.Network != "" && s.Network(pe.Network) == nil:
		known := []string{InternetName}
		for _, n := range s.Networks {
			known = append(known, n.Name)
		}
		return fmt.Errorf("unknown network %q%s", pe.Network, strictyaml.Suggest(pe.Network, known))
	case pe.Domain != "":
		return checkDomain(pe.Domain)
	}
	return pe.Selector.check()
}

func (s Selector) check() error {
	for i, r := range s {
		if !namePattern.MatchString(r.Key) {
			return fmt.Errorf("label key %q: want letters, digits and . _ - /", r.Key)
		}
		if i > 0 && s[i-1].Key == r.Key {
			return fmt.Errorf("label %q appears twice in one selector", r.Key)
		}
		for _, v := range append(slices.Clone(r.In), r.Not...) {
			if !ValidLabelValue(v) {
				return fmt.Errorf("label %s: value %q is empty, too long or not printable", r.Key, v)
			}
		}
	}
	return nil
}

// ValidLabelValue reports whether a selector may ask for v: printable UTF-8 of 1 to
// 253 bytes.
func ValidLabelValue(v string) bool { return v != "" && len(v) <= 253 && plainText(v) }

// namePattern is what policies, rules, networks and label keys may be called: a
// form every export target and the kernel take without quoting.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,126}$`)

func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("name %q: want 1 to 127 letters, digits and . _ - /, a letter or digit first", name)
	}
	return nil
}

var domainPattern = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// ValidDomain reports whether a peer may name d: a domain name, or one after "*.".
func ValidDomain(d string) bool { return checkDomain(d) == nil }

func checkDomain(d string) error {
	if len(d) > 253 || !domainPattern.MatchString(d) {
		return fmt.Errorf("%q is not a domain name or *.name", d)
	}
	return nil
}

// plainText reports whether free text is printable UTF-8 on one line.
func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}
