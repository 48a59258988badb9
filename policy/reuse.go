package policy

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// RuleOrigin says where a rule of a recommendation comes from.
type RuleOrigin string

const (
	OriginKept     RuleOrigin = "kept"     // as it stands in the base, and used
	OriginExtended RuleOrigin = "extended" // of the base, with something added
	OriginNew      RuleOrigin = "new"
	OriginUnused   RuleOrigin = "unused" // of the base; nothing in the window used it
)

// RuleChange is one rule of a recommendation beside the set it builds on.
type RuleChange struct {
	Policy string     `json:"policy"`
	Rule   string     `json:"rule"`
	Origin RuleOrigin `json:"origin"`
	Before *Rule      `json:"before,omitempty"` // extended only
	After  Rule       `json:"after"`
	Why    string     `json:"why"` // in words, with the difference
	// Violations counts how often an enforcement point stopped what it allows, or
	// would have; set by proposals only.
	Violations uint64 `json:"violations,omitempty"`
}

// String gives the change on one line: "+ payments-prod/web-to-api: …".
func (c RuleChange) String() string {
	sign := map[RuleOrigin]string{OriginKept: "=", OriginExtended: "~", OriginNew: "+", OriginUnused: "?"}[c.Origin]
	return fmt.Sprintf("%s %s/%s: %s", sign, c.Policy, c.Rule, c.Why)
}

// Proposals say what to do about connections that a live set forbade, or would
// have forbidden in monitor.
type Proposals struct {
	// Set is the live set with the proposed rules in, stages as they were.
	Set       *Set         `json:"set"`
	Rules     []RuleChange `json:"rules"`     // new and extended ones, by policy and rule
	Evidence  []Evidence   `json:"evidence"`  // one per entry of Rules
	Decisions []Decision   `json:"decisions"` // what a person must say
	Notes     []string     `json:"notes,omitempty"`
}

// RuleDifference says in words what after has that before has not, and the other
// way round: "services + tcp/8443; from + role=batch app=shop".
func RuleDifference(before, after *Rule) string {
	var parts []string
	side := func(what string, old, now []string) {
		var changed []string
		for _, s := range now {
			if !slices.Contains(old, s) {
				changed = append(changed, "+ "+s)
			}
		}
		for _, s := range old {
			if !slices.Contains(now, s) {
				changed = append(changed, "- "+s)
			}
		}
		if len(changed) > 0 {
			parts = append(parts, what+" "+strings.Join(changed, " "))
		}
	}
	side("from", peerStrings(before.From), peerStrings(after.From))
	side("to", peerStrings(before.To), peerStrings(after.To))
	side("services", ServiceStrings(before.Services), ServiceStrings(after.Services))
	return strings.Join(parts, "; ")
}

func peerStrings(peers []Peer) []string {
	out := make([]string, len(peers))
	for i, p := range peers {
		out[i] = p.String()
	}
	return out
}

// Join makes one set of several that stand together, such as the policies people
// saved one by one. A policy or network that two of them define differently is an
// error; the always-allowed list is the one that is not the default, and two
// different ones are an error too.
func Join(sets ...*Set) (*Set, error) {
	standard := (&Set{AlwaysAllowed: DefaultAlwaysAllowed()}).Normal().AlwaysAllowed
	out := &Set{AlwaysAllowed: standard}
	for _, s := range sets {
		s = s.Normal()
		out.BreakGlass = append(out.BreakGlass, s.BreakGlass...)
		if s.AlwaysAllowed != nil && !reflect.DeepEqual(s.AlwaysAllowed, standard) {
			if !reflect.DeepEqual(out.AlwaysAllowed, standard) && !reflect.DeepEqual(out.AlwaysAllowed, s.AlwaysAllowed) {
				return nil, fmt.Errorf("%w: two different always-allowed lists", ErrInvalid)
			}
			out.AlwaysAllowed = s.AlwaysAllowed
		}
		var err error
		if out.Policies, err = joined(out.Policies, s.Policies, func(p *Policy) string { return "policy " + p.Name }); err != nil {
			return nil, err
		}
		if out.Networks, err = joined(out.Networks, s.Networks, func(n *topology.Network) string { return "network " + n.Name }); err != nil {
			return nil, err
		}
	}
	out = out.Normal()
	return out, out.Validate()
}

// joined appends what list does not have yet; equal things count once.
func joined[T any](list, more []T, name func(*T) string) ([]T, error) {
	for i := range more {
		at := slices.IndexFunc(list, func(x T) bool { return name(&x) == name(&more[i]) })
		switch {
		case at < 0:
			list = append(list, more[i])
		case !reflect.DeepEqual(list[at], more[i]):
			return nil, errors.Join(ErrInvalid, fmt.Errorf("%s is defined twice, differently", name(&more[i])))
		}
	}
	return list, nil
}

// CompareRuleChanges orders changes by policy, then rule.
func CompareRuleChanges(a, b RuleChange) int {
	return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Rule, b.Rule))
}
