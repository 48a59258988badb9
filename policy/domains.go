package policy

import (
	"slices"
)

// Domains are the domains that rules past draft name, by themselves or through a
// network of the set, sorted and once each; "*." stands for one or more labels.
func (s *Set) Domains() []string {
	var out []string
	for i := range s.Policies {
		if s.Policies[i].Stage == Draft {
			continue
		}
		for j := range s.Policies[i].Rules {
			r := &s.Policies[i].Rules[j]
			for _, p := range slices.Concat(r.From, r.To) {
				if p.Domain != "" {
					out = append(out, p.Domain)
				}
				if n := s.Network(p.Network); p.Network != "" && n != nil {
					out = append(out, n.Domains...)
				}
			}
		}
	}
	return sortedUnique(out)
}

// DomainMatches reports whether a name is what a pattern of a rule says, without
// regard to case or a trailing dot; "*." stands for one or more labels.
func DomainMatches(pattern, name string) bool { return domainMatches(pattern, name) }
