package policy_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// edited is a set with one thing about it changed, the rest as it was.
func edited(t *rapid.T, set *policy.Set) *policy.Set {
	c := *set
	c.Policies = slices.Clone(set.Policies)
	if len(c.Policies) == 0 || rapid.IntRange(0, 9).Draw(t, "frame") == 0 {
		other := genSet(t)
		c.Networks, c.BreakGlass, c.AlwaysAllowed = other.Networks, other.BreakGlass, other.AlwaysAllowed
		return &c
	}
	i := rapid.IntRange(0, len(c.Policies)-1).Draw(t, "which")
	p := &c.Policies[i]
	switch rapid.IntRange(0, 4).Draw(t, "what") {
	case 0:
		p.Stage = policy.Stage(rapid.IntRange(0, 2).Draw(t, "stage"))
	case 1:
		p.Egress = policy.Egress(rapid.IntRange(0, 1).Draw(t, "egress"))
	case 2:
		p.Scope = genSelector(t)
	case 3:
		c.Policies = slices.Delete(c.Policies, i, i+1)
	default:
		p.Rules = slices.Clone(p.Rules)
		r := genRule(t, "r0")
		if len(p.Rules) > 0 {
			p.Rules[0] = r
		} else {
			p.Rules = append(p.Rules, r)
		}
	}
	return c.Normal()
}

// A flow that two versions judge differently is in their difference, whatever was
// left out of the comparison; and without any, nothing is said.
func TestDiffMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old := genSet(t)
		now := edited(t, old)
		parties := []policy.Party{genParty(t), genParty(t), genParty(t)}
		changes := policy.Diff(old, now, parties)
		for range 20 {
			f := policy.Facts{Client: rapid.SampledFrom(parties).Draw(t, "client"), Server: rapid.SampledFrom(parties).Draw(t, "server"), Service: genFacts(t).Service}
			before, after := policy.Evaluate(old, f).Outcome, policy.Evaluate(now, f).Outcome
			if passes(before) == passes(after) {
				continue
			}
			if !slices.ContainsFunc(changes, func(c policy.Change) bool {
				return c.Before == passes(before) && c.After == passes(after) && slices.ContainsFunc(c.Services, func(s policy.Service) bool { return s.Matches(f.Service) })
			}) {
				t.Fatalf("%s became %s on %s, and the difference does not say so: %v\nold:\n%s\nnew:\n%s", before, after, f.Service, changes, policy.Format(old), policy.Format(now))
			}
		}
		for _, c := range changes {
			if c.Before == c.After {
				t.Fatalf("a change of nothing: %v", c)
			}
		}
	})
}

func passes(o policy.Outcome) policy.Outcome {
	if o == policy.Untouched {
		return policy.Allowed
	}
	return o
}

// A change of one rule among ten thousand is found without comparing everybody
// with everybody.
func TestDiffOfTenThousandRules(t *testing.T) {
	old, _ := largeEstate(100_000, 10_000)
	now := *old
	now.Policies = slices.Clone(old.Policies)
	rules := slices.Clone(old.Policies[7].Rules)
	rules[2].Services = []policy.Service{{Proto: flow.TCP, From: 4000, To: 4000}}
	now.Policies[7].Rules = rules
	changes := policy.Diff(old, &now, nil)
	if len(changes) != 2 || !changes[0].Opens() || !changes[1].Closes() {
		t.Errorf("changes %v, want one service opened and one closed", changes)
	}
}
