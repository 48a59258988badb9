package policy

import (
	"testing"

	"github.com/bulkhead/bulkhead/flow"
)

// TestComparingRulesAllocatesNothing: every rule is compared with every other, a
// hundred million times in a policy of ten thousand rules.
func TestComparingRulesAllocatesNothing(t *testing.T) {
	set := &Set{Policies: []Policy{{Name: "big", Rules: []Rule{
		{Name: "a", Services: []Service{{Proto: flow.TCP, From: 1, To: 1}}},
		{Name: "b", Services: []Service{{Proto: flow.TCP, From: 2, To: 2}}},
	}}}}
	p := &set.Policies[0]
	c := &checker{set: set}
	if n := testing.AllocsPerRun(100, func() { c.against(p, &p.Rules[0], p, &p.Rules[1]) }); n != 0 {
		t.Errorf("comparing two rules that have nothing in common: %v allocations, want 0", n)
	}
}
