package policy

import (
	"slices"

	"github.com/bulkhead/bulkhead/flow"
)

// table holds the verdicts at one end of the flows between two identities, by
// service: one per elementary range of services, in which all are judged alike.
// Pairs of identities against which the same rules match share one.
type table struct {
	starts  []uint32 // proto<<16|port of each range's first service; starts[0] is 0
	ranges  []Verdict
	process *side // kept only when a rule asks for a process: then it must be walked
}

// side is everything that can decide at one end of a flow between two
// identities.
type side struct {
	always     []*Exception
	breakGlass bool
	rules      []*rankedRule // that match both identities; by precedence, policy, rule
	enforced   bool          // a policy of the pool is in enforce

	// defaults of the whole pool, and of the enforced part of it
	denyAll, denyEnforced      bool
	fallback, fallbackEnforced Verdict
}

// judge is judgeEnd with the peers already matched.
func (s *side) judge(svc flow.Service, process string) Verdict {
	for _, x := range s.always {
		if anyService(x.Services, svc) {
			return exceptionVerdict(x)
		}
	}
	if s.breakGlass {
		return breakGlassVerdict
	}
	if s.enforced {
		if deny, v := s.decide(svc, process, true); deny {
			v.Outcome = Blocked
			return v
		}
	}
	deny, v := s.decide(svc, process, false)
	if deny {
		v.Outcome = WouldBlock
	}
	return v
}

func (s *side) decide(svc flow.Service, process string, enforcedOnly bool) (deny bool, v Verdict) {
	for _, r := range s.rules {
		if (enforcedOnly && r.policy.Stage != Enforce) || (r.Process != "" && r.Process != process) || !anyService(r.Services, svc) {
			continue
		}
		return r.Action != Allow, r.verdict
	}
	if enforcedOnly {
		return s.denyEnforced, s.fallbackEnforced
	}
	return s.denyAll, s.fallback
}

func serviceKey(s flow.Service) uint32 { return uint32(s.Proto)<<16 | uint32(s.Port) }

// compile cuts the services where any rule or exception begins or ends and
// judges each piece once.
func (s *side) compile() *table {
	t := &table{starts: []uint32{0}}
	for _, x := range s.always {
		t.cut(x.Services)
	}
	for _, r := range s.rules {
		t.cut(r.Services)
		if r.Process != "" {
			t.process = s
		}
	}
	slices.Sort(t.starts)
	t.starts = slices.Compact(t.starts)
	t.ranges = make([]Verdict, len(t.starts))
	for i, start := range t.starts {
		t.ranges[i] = s.judge(flow.Service{Proto: uint8(start >> 16), Port: uint16(start)}, "")
	}
	return t
}

func (t *table) cut(services []Service) {
	for _, s := range services {
		if s.Proto == 0 {
			continue
		}
		t.starts = append(t.starts, uint32(s.Proto)<<16|uint32(s.From))
		if after := (uint32(s.Proto)<<16 | uint32(s.To)) + 1; after < 1<<24 {
			t.starts = append(t.starts, after)
		}
	}
}

// noVerdict is what an end that is not protected says.
var noVerdict = Verdict{Outcome: Untouched}

// judge returns the verdict of the range svc is in. A nil table is an end that is
// not protected.
func (t *table) judge(svc flow.Service, process string) *Verdict {
	if t == nil {
		return &noVerdict
	}
	if t.process != nil && process != "" {
		v := t.process.judge(svc, process)
		return &v
	}
	key := serviceKey(svc)
	lo, hi := 0, len(t.starts)
	for hi-lo > 1 {
		if mid := int(uint(lo+hi) >> 1); t.starts[mid] <= key {
			lo = mid
		} else {
			hi = mid
		}
	}
	return &t.ranges[lo]
}
