package recommender

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// breakKey is what is told of together: a decision, or two groups.
type breakKey struct {
	decision       string
	client, server int32
}

// ask finds the decisions that the window's traffic waits for, whatever was
// answered to them.
func (s *replay) ask(probes []flow.Probe) {
	e := newEstate(s.m)
	s.asked = &draft{estate: e, opt: Options{Level: policy.ServiceLevel}, concerns: e.concerns(probes),
		names: map[string]bool{}, named: map[appKey]string{}}
	s.asked.written, s.asked.ranges = e.services(s.asked.concerns)
	s.decisions = make([]string, len(s.m.Graph.Deps))
	s.breaks = map[breakKey]*policy.Break{}
	for _, dec := range s.asked.decisions() {
		for _, i := range s.asked.behind[dec.ID] {
			s.decisions[i] = dec.ID
			k := breakKey{decision: dec.ID}
			s.breaks[k] = &policy.Break{Concern: dec.Concern, Decision: dec.ID, What: dec.Title[:strings.LastIndex(dec.Title, ": ")]} // its services stand beside it
		}
	}
}

// fold adds dependency i, which v forbids, to what is told of it.
func (s *replay) fold(i int32, v policy.Verdict) {
	d, e := &s.m.Graph.Deps[i], s.asked
	k := breakKey{decision: s.decisions[i]}
	if k.decision == "" {
		k.client, k.server = e.groupOf[d.Client], e.groupOf[d.Server]
	}
	b := s.breaks[k]
	if b == nil {
		from, to := place{groupKey: e.groups[k.client].groupKey}, place{groupKey: e.groups[k.server].groupKey}
		b = &policy.Break{Concern: e.concerns[i], What: sentence(from.words(appKey{})) + " to " + to.words(appKey{})}
		s.breaks[k] = b
	}
	if b.Why == "" || d.Flows > b.Connections {
		b.Why = v.Why
	}
	b.Dependencies++
	b.Connections += d.Flows
	b.Last = max(b.Last, d.Last)
	if at, ok := slices.BinarySearchFunc(b.Services, d.Service, flow.Service.Compare); !ok {
		b.Services = slices.Insert(b.Services, at, d.Service)
	}
}

// folded lists what would break, the legitimate first.
func (s *replay) folded() []policy.Break {
	out := []policy.Break{}
	for _, b := range s.breaks {
		if b.Dependencies > 0 {
			out = append(out, *b)
		}
	}
	slices.SortFunc(out, func(a, b policy.Break) int {
		return cmp.Or(cmp.Compare(min(1, len(a.Concern)), min(1, len(b.Concern))), cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.What, b.What), cmp.Compare(a.Decision, b.Decision))
	})
	return out
}
