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
