package enforcer

import (
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
)

// Plan is what applying a set would do.
type Plan struct {
	Ruleset nft.Ruleset
	Changes nft.Changes     // of the ruleset, from what is in force
	Effects []policy.Change // who can newly reach what, or no longer
	Gated   []string        // policies whose drops must be confirmed
}

// Plan compares a set with what is in force; it changes nothing.
func (e *Enforcer) Plan(set *policy.Set, host nft.Host) (Plan, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old, err := e.oldSet()
	if err != nil {
		return Plan{}, err
	}
	r, err := nft.Compile(set, host)
	if err != nil {
		return Plan{}, err
	}
	before := old
	if before == nil {
		before = &policy.Set{}
	}
	return Plan{
		Ruleset: r, Changes: nft.Diff(e.inForce, r), Effects: policy.Diff(before, set, parties(&host)),
		Gated: newlyEnforced(old, set),
	}, nil
}

func parties(h *nft.Host) (out []policy.Party) {
	for _, w := range h.Workloads {
		if len(w.Addrs) > 0 {
			out = append(out, policy.Party{Addr: w.Addrs[0], Labels: w.Labels, Workload: true})
		}
	}
	return out
}

func (e *Enforcer) oldSet() (*policy.Set, error) {
	if e.confirmed == nil {
		return nil, nil
	}
	return e.confirmed.set()
}
