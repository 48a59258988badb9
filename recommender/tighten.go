package recommender

import (
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Tighten compares the recommendation of one level with a tighter one: what that
// newly closes among the workloads of the map, and the evidence its rules stand
// on. opt.Level is not looked at.
func Tighten(m *topology.Map, probes []flow.Probe, from, to policy.Level, opt Options) (*policy.Tightening, error) {
	opt.Level = from
	loose, err := Recommend(m, probes, opt)
	if err != nil {
		return nil, err
	}
	opt.Level = to
	tight, err := Recommend(m, probes, opt)
	if err != nil {
		return nil, err
	}
	out := &policy.Tightening{From: from, To: to, RulesBefore: ruleCount(loose.Set), RulesAfter: ruleCount(tight.Set), Tighter: tight}
	for _, c := range policy.Diff(loose.Set.AtStage(policy.Enforce), tight.Set.AtStage(policy.Enforce), Workloads(m)) {
		if c.Closes() {
			out.Closes = append(out.Closes, c)
		}
	}
	return out, nil
}

// Workloads are the inside nodes of a map as policies see them, one party for each
// address.
func Workloads(m *topology.Map) []policy.Party {
	var out []policy.Party
	passed := passedOn(m)
	for i := range m.Graph.Nodes {
		if m.Graph.Nodes[i].Inside() {
			p := PartyOf(m, int32(i))
			out = append(out, p)
			for _, a := range m.Graph.Nodes[i].Addrs[min(1, len(m.Graph.Nodes[i].Addrs)):] {
				if p.Addr = a; !passed[a] {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

func ruleCount(set *policy.Set) (n int) {
	for i := range set.Policies {
		n += len(set.Policies[i].Rules)
	}
	return n
}
