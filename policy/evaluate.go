package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

// Evaluate judges one flow: the definition, written to be read beside the package
// comment. It walks every rule; use an Evaluator where many flows are judged.
// Safe for concurrent use.
func Evaluate(set *Set, f Facts) Verdict {
	in := judgeEnd(set, &f, Inbound)
	out := judgeEnd(set, &f, Outbound)
	return worse(in, out)
}

// end is the judgement at one end of a flow.
type end struct {
	protected bool
	Verdict
}

// worse combines the ends; the server's reason stands when they are equal.
func worse(in, out end) Verdict {
	switch {
	case !in.protected && !out.protected:
		return untouchedVerdict
	case !in.protected:
		return out.Verdict
	case !out.protected || severity(in.Outcome) >= severity(out.Outcome):
		return in.Verdict
	}
	return out.Verdict
}

func severity(o Outcome) int {
	switch o {
	case Blocked:
		return 2
	case WouldBlock:
		return 1
	}
	return 0
}

func judgeEnd(set *Set, f *Facts, side Direction) end {
	self, peer := &f.Server, &f.Client
	if side == Outbound {
		self, peer = peer, self
	}
	pool := protecting(set, self)
	if len(pool) == 0 {
		return end{}
	}
	if v, ok := always(set, side, peer, f.Service); ok {
		return end{true, v}
	}
	if enforced := pastMonitor(pool); len(enforced) > 0 {
		if deny, v := decide(set, enforced, f, side); deny {
			v.Outcome = Blocked
			return end{true, v}
		}
	}
	deny, v := decide(set, pool, f, side)
	if deny {
		v.Outcome = WouldBlock
	}
	return end{true, v}
}

// protecting returns the policies past draft whose scope selects p, by name.
func protecting(set *Set, p *Party) []*Policy {
	if !p.Workload {
		return nil
	}
	var pool []*Policy
	for i := range set.Policies {
		if q := &set.Policies[i]; q.Stage != Draft && q.Scope.Matches(p.Labels) {
			pool = append(pool, q)
		}
	}
	slices.SortFunc(pool, func(a, b *Policy) int { return cmp.Compare(a.Name, b.Name) })
	return pool
}

func pastMonitor(pool []*Policy) (enforced []*Policy) {
	for _, p := range pool {
		if p.Stage == Enforce {
			enforced = append(enforced, p)
		}
	}
	return enforced
}

// always is line 1 of the meaning.
func always(set *Set, side Direction, peer *Party, svc flow.Service) (Verdict, bool) {
	for i := range set.AlwaysAllowed {
		if x := &set.AlwaysAllowed[i]; x.covers(side, peer, svc) {
			return exceptionVerdict(x), true
		}
	}
	if side == Inbound && anyContains(set.BreakGlass, peer.Addr) {
		return breakGlassVerdict, true
	}
	return Verdict{}, false
}

func (x *Exception) covers(side Direction, peer *Party, svc flow.Service) bool {
	return (x.Direction == BothWays || x.Direction == side) && anyService(x.Services, svc) &&
		(len(x.Networks) == 0 || anyContains(x.Networks, peer.Addr))
}

// decide is lines 2 to 5 over a pool that is not empty.
func decide(set *Set, pool []*Policy, f *Facts, side Direction) (deny bool, v Verdict) {
	for _, action := range []Action{OverrideDeny, Allow, Deny} {
		p, r := firstMatch(set, pool, f, side, action)
		if r != nil {
			return action != Allow, ruleVerdict(p, r)
		}
	}
	return defaultVerdict(pool, side)
}

// firstMatch finds the matching rule of that action that comes first by policy
// name, then rule name.
func firstMatch(set *Set, pool []*Policy, f *Facts, side Direction, action Action) (*Policy, *Rule) {
	for _, p := range pool {
		var best *Rule
		for i := range p.Rules {
			r := &p.Rules[i]
			if r.Action == action && (best == nil || r.Name < best.Name) && r.matches(set, f, side) {
				best = r
			}
		}
		if best != nil {
			return p, best
		}
	}
	return nil, nil
}

func (r *Rule) matches(set *Set, f *Facts, side Direction) bool {
	process := f.Process
	if side == Outbound {
		process = f.ClientProcess
	}
	return (r.Process == "" || r.Process == process) && anyService(r.Services, f.Service) &&
		anyPeer(set, r.From, &f.Client) && anyPeer(set, r.To, &f.Server)
}

func anyPeer(set *Set, peers []Peer, p *Party) bool {
	for i := range peers {
		if peers[i].Matches(p, set.Network) {
			return true
		}
	}
	return false
}

func exceptionVerdict(x *Exception) Verdict {
	return Verdict{Outcome: Allowed, Rule: x.Name, Why: "on the always-allowed list"}
}

var untouchedVerdict = Verdict{Outcome: Untouched, Why: "neither end is in the scope of a policy past draft"}

var breakGlassVerdict = Verdict{Outcome: Allowed, Rule: "break-glass", Why: "the client is in a break-glass network"}

func ruleVerdict(p *Policy, r *Rule) Verdict {
	verb := "allows it"
	switch r.Action {
	case Deny:
		verb = "denies it"
	case OverrideDeny:
		verb = "denies it, whatever else allows it"
	}
	return Verdict{Outcome: Allowed, Policy: p.Name, Rule: r.Name,
		Why: fmt.Sprintf("rule %q of policy %q %s", r.Name, p.Name, verb)}
}

// defaultVerdict is line 5. The policy named is the first of the pool that makes
// the default what it is.
func defaultVerdict(pool []*Policy, side Direction) (deny bool, v Verdict) {
	if side == Inbound {
		return true, Verdict{Policy: pool[0].Name,
			Why: fmt.Sprintf("no rule of %s allows it into the server, which is denied by default", poolNames(pool))}
	}
	for _, p := range pool {
		if p.Egress == EgressRestrict {
			return true, Verdict{Policy: p.Name,
				Why: fmt.Sprintf("no rule of %s allows it out of the client, whose egress policy %q restricts", poolNames(pool), p.Name)}
		}
	}
	return false, Verdict{Outcome: Allowed, Policy: pool[0].Name,
		Why: fmt.Sprintf("outbound is open: no rule of %s denies it", poolNames(pool))}
}

func poolNames(pool []*Policy) string {
	names := make([]string, len(pool))
	for i, p := range pool {
		names[i] = fmt.Sprintf("policy %q", p.Name)
	}
	return strings.Join(names, " or ")
}
