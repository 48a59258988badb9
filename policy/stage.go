package policy

import "slices"

// AtStage returns a copy of the set with every policy at that stage.
func (s *Set) AtStage(stage Stage) *Set {
	c := *s
	c.Policies = slices.Clone(s.Policies)
	for i := range c.Policies {
		c.Policies[i].Stage = stage
	}
	return &c
}

// Live returns a copy of the set in which drafts are monitored, for an export: a
// draft has no effect, and nobody exports nothing.
func (s *Set) Live() *Set {
	c := *s
	c.Policies = slices.Clone(s.Policies)
	for i := range c.Policies {
		c.Policies[i].Stage = max(c.Policies[i].Stage, Monitor)
	}
	return &c
}
