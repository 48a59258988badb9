package controller

import (
	"cmp"
	"hash/fnv"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
)

// Rollout is a change of policies on its way to the hosts it concerns: a share of
// them gets it first, the others when all of those have confirmed it and held it
// for the soak time. One that takes it back holds the change where it is, until
// there is another.
type Rollout struct {
	Change string    // of all policies together
	First  []string  // hosts that get it first
	Since  time.Time // all of them have held it; zero while not
	Passed bool      // everybody gets it
}

// roll says which hosts must wait. A change of addresses alone waits for nobody,
// nor does a host that has no policies yet. s.mu is held.
func (s *Server) roll(enrolled []fleet.Enrolment, contents map[string]*Content) map[string]bool {
	if s.opts.Canary <= 0 || s.opts.Canary >= 100 {
		return nil
	}
	change, changing := "", []string(nil)
	for i := range enrolled {
		name := enrolled[i].Name
		c, h := contents[name], s.host(name)
		if c == nil || c.Err != nil {
			continue
		}
		change = c.Change
		if h.Wanted > 0 && h.Hash != c.Hash {
			changing = append(changing, name)
		}
	}
	if change != s.rollout.Change {
		s.rollout = Rollout{Change: change, First: s.lots(changing, change, len(enrolled))}
		s.dirty = true
	}
	if s.rollout.Passed {
		return nil
	}
	if s.rollout.Passed = s.held(enrolled, contents); s.rollout.Passed {
		s.dirty = true
	}
	waiting := map[string]bool{}
	for _, name := range changing {
		waiting[name] = !s.rollout.Passed && !slices.Contains(s.rollout.First, name)
	}
	return waiting
}

// held reports whether all who got the change first have held it long enough.
func (s *Server) held(enrolled []fleet.Enrolment, contents map[string]*Content) bool {
	for i := range enrolled {
		name := enrolled[i].Name
		if !slices.Contains(s.rollout.First, name) {
			continue
		}
		h := s.host(name)
		if c := contents[name]; c == nil || h.Hash != c.Hash || h.Beat.Serial != h.Wanted {
			s.rollout.Since = time.Time{}
			return false
		}
	}
	now := s.opts.Now()
	if s.rollout.Since.IsZero() {
		s.rollout.Since = now
	}
	return now.Sub(s.rollout.Since) >= s.opts.Soak
}

// lots draws who is first: by the change, so that it is not always the same hosts.
func (s *Server) lots(changing []string, change string, enrolled int) []string {
	lot := func(name string) uint64 {
		h := fnv.New64a()
		h.Write([]byte(change + "\n" + name))
		return h.Sum64()
	}
	drawn := slices.Clone(changing)
	slices.SortFunc(drawn, func(a, b string) int { return cmp.Or(cmp.Compare(lot(a), lot(b)), cmp.Compare(a, b)) })
	return drawn[:min(len(drawn), max(1, enrolled*s.opts.Canary/100))]
}
