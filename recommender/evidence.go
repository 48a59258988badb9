package recommender

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

const (
	maxExamples     = 5
	maxDecisionDeps = 20
)

// evidence sums the dependencies a rule stands on.
func (d *draft) evidence(policyName, rule string, deps []int32) policy.Evidence {
	ev := policy.Evidence{Policy: policyName, Rule: rule}
	ev.EdgeStats, ev.Clients, ev.Servers = d.sum(deps)
	ev.Rhythm = flow.RhythmOf(&ev.EdgeStats, d.m.Since, d.m.Until)
	ev.Confidence = ruleConfidence(ev.EdgeStats)
	ev.Examples = d.busiest(deps, maxExamples)
	return ev
}

// keptEvidence is that of the rules that were there before: what they decided, and
// what extended them.
func (d *draft) keptEvidence(set *policy.Set) (out []policy.Evidence) {
	for i := range set.Policies {
		for _, r := range set.Policies[i].Rules {
			k := ruleID{set.Policies[i].Name, r.Name}
			if d.reuse.added[k] {
				continue
			}
			deps := slices.Clone(d.reuse.behind[k])
			slices.Sort(deps)
			deps = slices.Compact(deps)
			ev := d.evidence(k.policy, k.rule, deps)
			ev.Decided = slices.ContainsFunc(deps, func(i int32) bool { return d.concerns[i] != none })
			out = append(out, ev)
		}
	}
	return out
}

// ruleConfidence is how sure we are that a rule is wanted as written, 0..1: the
// mean confidence of the direction, lowered while it has been seen on few days
// and in few flows. Each day seen halves the doubt; so does each doubling of
// flows, roughly. It orders rules for a reviewer; it is no probability.
func ruleConfidence(s flow.EdgeStats) float64 {
	direction := float64(s.Confidence) / 100
	days := 1 - math.Pow(0.5, float64(max(1, s.Days)))
	flows := 1 - 1/(1+float64(s.Flows))
	return math.Round(direction*days*flows*100) / 100
}

func (d *draft) sum(deps []int32) (stats flow.EdgeStats, clients, servers int) {
	c, s := map[int32]bool{}, map[int32]bool{}
	for _, i := range deps {
		dep := &d.m.Graph.Deps[i]
		stats.Merge(dep.EdgeStats)
		c[dep.Client], s[dep.Server] = true, true
	}
	return stats, len(c), len(s)
}

// busiest returns the n dependencies with most flows.
func (d *draft) busiest(deps []int32, n int) []topology.Dependency {
	out := make([]topology.Dependency, len(deps))
	for i, at := range deps {
		out[i] = d.m.Graph.Deps[at]
	}
	slices.SortStableFunc(out, func(a, b topology.Dependency) int { return cmp.Compare(b.Flows, a.Flows) })
	return slices.Clone(out[:min(n, len(out))])
}

// finish puts the evidence in the set's order and adds coverage and notes to a
// recommendation whose set is written.
func (d *draft) finish() {
	at := map[[2]string]int{}
	for i := range d.rec.Set.Policies {
		for _, r := range d.rec.Set.Policies[i].Rules {
			at[[2]string{d.rec.Set.Policies[i].Name, r.Name}] = len(at)
		}
	}
	slices.SortFunc(d.rec.Evidence, func(a, b policy.Evidence) int {
		return cmp.Compare(at[[2]string{a.Policy, a.Rule}], at[[2]string{b.Policy, b.Rule}])
	})
	enforced := policy.NewEvaluator(d.rec.Set.AtStage(policy.Enforce))
	ids := identify(enforced, d.m)
	for i := range d.rec.Decisions {
		dec := &d.rec.Decisions[i]
		if dec.Answer == policy.AnswerAllow {
			continue
		}
		if v := enforced.Judge(ids[dec.Deps[0].Client], ids[dec.Deps[0].Server], dec.Deps[0].Service, "", ""); v.Outcome == policy.Allowed && v.Rule != "" {
			dec.Why += fmt.Sprintf(" At this level rule %q of policy %q allows it already.", v.Rule, v.Policy)
		}
	}
	d.rec.Coverage = coverage(enforced, ids, d.m)
	d.rec.Notes = append(d.rec.Notes, d.unprotected()...)
}

// unprotected says who no policy is for.
func (e *estate) unprotected() []string {
	var names []string
	for i := range e.m.Graph.Nodes {
		if e.m.Graph.Nodes[i].Inside() && e.groups[e.groupOf[i]].app < 0 {
			names = append(names, e.m.Graph.Nodes[i].Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("in no policy, for want of an application label: %s (%s)", listWords(names), plural(len(names), "workload"))}
}
