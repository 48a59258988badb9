package recommender

import (
	"errors"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Propose says what to do about connections that a live set forbade, or would have
// forbidden: what was seen in monitor and missed in discovery. The map must be of a
// window that holds them. Each whose traffic the map knows as established service,
// and that nothing speaks against, becomes a rule of opt.Base or extends one, as
// Recommend would; the rest becomes decisions. opt.Base is the live set and must be
// given; opt.Scope is not looked at.
//
// A violation alone proves an attempt, never a service: without an established
// dependency behind it, a person is asked (ConcernUnproven).
func Propose(m *topology.Map, probes []flow.Probe, seen []policy.Violation, opt Options) (*policy.Proposals, error) {
	if opt.Base == nil {
		return nil, errors.New("propose: no set is in force")
	}
	opt.Scope = nil
	e := newEstate(m)
	d := &draft{estate: e, opt: opt, concerns: e.concerns(probes), rec: &policy.Recommendation{Level: opt.Level, Since: m.Since, Until: m.Until}}
	stopped := d.stopped(seen)
	d.skip = func(dep int32) bool { return stopped[d.triple(dep)] == 0 }
	if err := d.write(); err != nil {
		return nil, fmt.Errorf("propose: %w", err)
	}
	out := &policy.Proposals{Set: d.rec.Set, Rules: []policy.RuleChange{}, Decisions: d.rec.Decisions, Notes: d.rec.Notes}
	for _, c := range d.rec.Changes {
		if c.Origin != policy.OriginNew && c.Origin != policy.OriginExtended {
			continue
		}
		c.Violations = d.stoppedBy(&c, stopped)
		out.Rules = append(out.Rules, c)
		at := slices.IndexFunc(d.rec.Evidence, func(ev policy.Evidence) bool { return ev.Policy == c.Policy && ev.Rule == c.Rule })
		out.Evidence = append(out.Evidence, d.rec.Evidence[at])
	}
	return out, nil
}

// tripleKey is a dependency by what it is between.
type tripleKey struct {
	client, server int32
	service        flow.Service
}

func (d *draft) triple(dep int32) tripleKey {
	x := &d.m.Graph.Deps[dep]
	return tripleKey{x.Client, x.Server, x.Service}
}

// stopped counts violations by what they were between. Those the map has no
// dependency for join it as unproven ones, for a person to see.
func (d *draft) stopped(seen []policy.Violation) map[tripleKey]uint64 {
	find := nodeFinder(d.m)
	known := map[tripleKey]bool{}
	for i := range d.m.Graph.Deps {
		known[d.triple(int32(i))] = true
	}
	out := map[tripleKey]uint64{}
	unproven := map[tripleKey]flow.EdgeStats{}
	strangers := uint64(0)
	for i := range seen {
		v := &seen[i]
		k := tripleKey{find(v.Client), find(v.Server), v.Service}
		if k.client < 0 || k.server < 0 {
			strangers += 1 + v.Suppressed
			continue
		}
		out[k] += 1 + v.Suppressed
		if !known[k] {
			s := unproven[k]
			s.Merge(flow.EdgeStats{First: v.Time, Last: v.Time, Days: 1})
			unproven[k] = s
		}
	}
	if strangers > 0 {
		d.rec.Notes = append(d.rec.Notes, fmt.Sprintf("%d violations are between addresses the map does not know: widen the window, or claim them", strangers))
	}
	d.addUnproven(unproven)
	return out
}

// addUnproven puts attempts behind the dependencies of a copy of the map.
func (d *draft) addUnproven(list map[tripleKey]flow.EdgeStats) {
	if len(list) == 0 {
		return
	}
	m := *d.m
	m.Graph.Deps = slices.Clone(m.Graph.Deps)
	for k, s := range list {
		m.Graph.Deps = append(m.Graph.Deps, topology.Dependency{Client: k.client, Server: k.server, Service: k.service, EdgeStats: s})
	}
	added := m.Graph.Deps[len(d.m.Graph.Deps):]
	slices.SortFunc(added, compareDeps)
	for i := range added {
		c := policy.ConcernUnproven
		if d.groups[d.groupOf[added[i].Server]].app < 0 {
			c = none // nothing protects it, and nothing stops it
		}
		d.concerns = append(d.concerns, c)
	}
	d.m, d.estate.m = &m, &m
}

// stoppedBy counts the violations that a changed rule would have let pass.
func (d *draft) stoppedBy(c *policy.RuleChange, stopped map[tripleKey]uint64) (n uint64) {
	for k, count := range stopped {
		client, server := PartyOf(d.m, k.client), PartyOf(d.m, k.server)
		if c.After.Allows(d.rec.Set, &client, &server, k.service) {
			n += count
		}
	}
	return n
}
