package policy

import (
	"slices"

	"github.com/bulkhead/bulkhead/flow"
)

// side is everything that can decide at one end of a flow between two
// identities.
type side struct {
	always     []*Exception
	breakGlass bool
	rules      []rankedRule // that match both identities; by precedence, policy, rule
	enforced   bool         // a policy of the pool is in enforce

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
	for i := range s.rules {
		r := &s.rules[i]
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

// pair holds the verdicts between two identities by service: one per elementary
// range of services, in which all services are judged alike.
type pair struct {
	in, out *side
	starts  []uint32 // proto<<16|port of each range's first service; starts[0] is 0
	ranges  []judged
}

// judged is the verdict of a range, unless it depends on the process.
type judged struct {
	verdict   Verdict
	byProcess bool
}

func serviceKey(s flow.Service) uint32 { return uint32(s.Proto)<<16 | uint32(s.Port) }

// compile cuts the services where any rule or exception begins or ends and
// judges each piece once.
func (p *pair) compile() {
	p.starts = []uint32{0}
	processes := false
	for _, s := range []*side{p.in, p.out} {
		if s == nil {
			continue
		}
		for _, x := range s.always {
			p.cut(x.Services)
		}
		for _, r := range s.rules {
			p.cut(r.Services)
			processes = processes || r.Process != ""
		}
	}
	slices.Sort(p.starts)
	p.starts = slices.Compact(p.starts)
	p.ranges = make([]judged, len(p.starts))
	for i, start := range p.starts {
		svc := flow.Service{Proto: uint8(start >> 16), Port: uint16(start)}
		p.ranges[i] = judged{p.byRules(svc, "", ""), processes}
	}
	if !processes {
		p.in, p.out = nil, nil // the ranges say it all
	}
}

func (p *pair) cut(services []Service) {
	for _, s := range services {
		if s.Proto == 0 {
			continue
		}
		p.starts = append(p.starts, uint32(s.Proto)<<16|uint32(s.From))
		if after := (uint32(s.Proto)<<16 | uint32(s.To)) + 1; after < 1<<24 {
			p.starts = append(p.starts, after)
		}
	}
}

func (p *pair) judge(svc flow.Service, clientProcess, process string) Verdict {
	key := serviceKey(svc)
	lo, hi := 0, len(p.starts)
	for hi-lo > 1 {
		if mid := int(uint(lo+hi) >> 1); p.starts[mid] <= key {
			lo = mid
		} else {
			hi = mid
		}
	}
	if r := &p.ranges[lo]; !r.byProcess || (clientProcess == "" && process == "") {
		return r.verdict
	}
	return p.byRules(svc, clientProcess, process)
}

// byRules judges both ends by walking the rules that match the pair.
func (p *pair) byRules(svc flow.Service, clientProcess, process string) Verdict {
	var in, out end
	if p.in != nil {
		in = end{true, p.in.judge(svc, process)}
	}
	if p.out != nil {
		out = end{true, p.out.judge(svc, clientProcess)}
	}
	return worse(in, out)
}
