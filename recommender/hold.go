package recommender

import (
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/policy"
)

// holdPrefix begins the names of rules that hold back what waits for a decision;
// the decision's ID follows.
const holdPrefix = "hold-"

// hold denies what nobody allowed and a rule for a whole group or application
// would let pass: a decision that waits is not taken by the level. What was
// answered with watch may pass. The rules deny exactly that: where a rule between
// the groups would stop anything legitimate, single addresses are named.
func (d *draft) hold(set *policy.Set) {
	notes := len(d.rec.Notes)
	judged := set.AtStage(policy.Enforce)
	judged.Networks = d.networks(set)
	d.rec.Notes = d.rec.Notes[:notes]
	e := policy.NewEvaluator(judged.Normal())
	ids := identify(e, d.m)
	for i := range d.rec.Decisions {
		dec := &d.rec.Decisions[i]
		if dec.Answer == policy.AnswerAllow || dec.Answer == policy.AnswerWatch {
			continue
		}
		byApp := map[int32][]int32{}
		for _, n := range d.behind[dec.ID] {
			x := &d.m.Graph.Deps[n]
			v := e.Judge(ids[x.Client], ids[x.Server], x.Service, "", "")
			if v.Outcome == policy.Allowed && v.Policy != "" && v.Rule != "" {
				app := d.groups[d.groupOf[x.Server]].app
				byApp[app] = append(byApp[app], n)
			}
		}
		for j := range set.Policies {
			p := &set.Policies[j]
			for app, deps := range byApp {
				if p.Name == d.policyName(d.apps[app].appKey) {
					d.holdBack(p, dec, deps)
				}
			}
		}
		if len(byApp) > 0 {
			dec.Why += " Until somebody decides, a rule holds it back where the rule of a group would let it pass."
		}
	}
}

// holdBack adds the rules of one decision to the policy that protects its servers.
func (d *draft) holdBack(p *policy.Policy, dec *policy.Decision, deps []int32) {
	taken := map[string]bool{}
	for _, r := range p.Rules {
		taken[r.Name] = true
	}
	for _, c := range d.held(deps) {
		r := policy.Rule{Name: unique(holdPrefix+dec.ID, taken), Action: policy.OverrideDeny, From: c.from, To: c.to, Services: c.services,
			Description: "Waits for a decision (" + string(dec.Concern) + "): " + dec.Title + "."}
		p.Rules = append(p.Rules, r)
		if d.reuse != nil {
			d.reuse.added[ruleID{p.Name, r.Name}] = true
		}
		d.rec.Evidence = append(d.rec.Evidence, d.evidence(p.Name, r.Name, c.deps))
	}
}

// heldBack is one rule to be.
type heldBack struct {
	from, to []policy.Peer
	services []policy.Service
	deps     []int32
}

// held covers dependencies by groups where that stops nothing legitimate, else node
// by node.
func (d *draft) held(deps []int32) []heldBack {
	for _, level := range []policy.Level{policy.ServiceLevel, policy.WorkloadLevel} {
		out := d.heldAt(deps, level)
		if level == policy.WorkloadLevel || !slices.ContainsFunc(out, d.stopsLegitimate) {
			return out
		}
	}
	return nil
}

func (d *draft) heldAt(deps []int32, level policy.Level) (out []heldBack) {
	var places []place
	var services []policy.Service
	behind := map[policy.Cell][]int32{}
	for _, i := range deps {
		x := &d.m.Graph.Deps[i]
		c := policy.Cell{indexOf(&places, d.placeOf(x.Client, level)), indexOf(&places, d.placeOf(x.Server, level)), indexOf(&services, policy.ServiceOf(x.Service))}
		behind[c] = append(behind[c], i)
	}
	cells := make([]policy.Cell, 0, len(behind))
	for c := range behind {
		cells = append(cells, c)
	}
	slices.SortFunc(cells, func(a, b policy.Cell) int { return slices.Compare(a[:], b[:]) })
	for _, c := range policy.Covers(cells) {
		var h heldBack
		var from, to []place
		for _, n := range c[policy.ByFrom] {
			from = append(from, places[n])
		}
		for _, n := range c[policy.ByTo] {
			to = append(to, places[n])
		}
		for _, n := range c[policy.ByService] {
			h.services = append(h.services, services[n])
		}
		for _, f := range c[policy.ByFrom] {
			for _, t := range c[policy.ByTo] {
				for _, s := range c[policy.ByService] {
					h.deps = append(h.deps, behind[policy.Cell{f, t, s}]...)
				}
			}
		}
		slices.Sort(h.deps)
		h.from, h.to = d.peers(from), d.peers(to)
		out = append(out, h)
	}
	return out
}

// indexOf returns where v is in list, and puts it there.
func indexOf[T comparable](list *[]T, v T) int32 {
	at := slices.Index(*list, v)
	if at < 0 {
		at = len(*list)
		*list = append(*list, v)
	}
	return int32(at)
}

// stopsLegitimate reports whether a rule would deny a dependency nothing speaks
// against.
func (d *draft) stopsLegitimate(h heldBack) bool {
	r := policy.Rule{From: h.from, To: h.to, Services: h.services}
	set := policy.Set{Networks: d.opt.Networks}
	for i := range d.m.Graph.Deps {
		if d.concerns[i] != none {
			continue
		}
		x := &d.m.Graph.Deps[i]
		if !slices.ContainsFunc(h.services, func(s policy.Service) bool { return s.Matches(x.Service) }) {
			continue
		}
		client, server := PartyOf(d.m, x.Client), PartyOf(d.m, x.Server)
		if r.Allows(&set, &client, &server, x.Service) {
			return true
		}
	}
	return false
}

// released drops the rules of a base that held back what has been answered since.
func released(set *policy.Set, answers map[string]string) *policy.Set {
	c := *set
	c.Policies = slices.Clone(set.Policies)
	for i := range c.Policies {
		c.Policies[i].Rules = slices.DeleteFunc(slices.Clone(c.Policies[i].Rules), func(r policy.Rule) bool {
			id, ok := strings.CutPrefix(r.Name, holdPrefix)
			id, _, _ = strings.Cut(id, "-") // numbered where there are several
			a := answers[id]
			return ok && r.Action == policy.OverrideDeny && (a == policy.AnswerAllow || a == policy.AnswerWatch)
		})
	}
	return &c
}
