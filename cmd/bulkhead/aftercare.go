package main

import (
	"context"
	"errors"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
)

// maxForecast bounds the dependencies of each class in a forecast. What is beyond
// counts as not foreseen, by who asks.
const maxForecast = 20000

// aftercare is how a change to set is to be watched: nil when nothing is enforced
// or the configuration asks for no watch. With --inventory no recorded traffic is
// looked at, and nothing is forecast.
func (e *enforcing) aftercare(ctx context.Context, set *policy.Set) (care *enforcer.Aftercare, err error) {
	if e.cfg.Enforcer.Watch == 0 || !enforces(set) {
		return nil, nil
	}
	if e.inventory != "" {
		return e.unforeseen(), nil
	}
	err = e.with(ctx, func(s *session) error {
		care, err = s.forecast(ctx, set)
		return err
	})
	if errors.Is(err, errNothingRecorded) {
		return e.unforeseen(), nil
	}
	return care, err
}

func enforces(set *policy.Set) bool {
	for i := range set.Policies {
		if set.Policies[i].Stage == policy.Enforce {
			return true
		}
	}
	return false
}

// unforeseen is the watch over a change without a forecast: it counts.
func (a *app) unforeseen() *enforcer.Aftercare {
	return &enforcer.Aftercare{For: a.cfg.Enforcer.Watch, Bear: a.cfg.Enforcer.Bear}
}

// forecast simulates the set, as it stands, over the recorded window.
func (s *session) forecast(ctx context.Context, set *policy.Set) (*enforcer.Aftercare, error) {
	m, probes, err := s.windowMap(ctx, &window{})
	if err != nil {
		return nil, err
	}
	sim, err := recommender.Simulate(set, m, probes, recommender.SimulateOptions{MaxRows: maxForecast, KeepStages: true})
	if err != nil {
		return nil, err
	}
	care := s.app.unforeseen()
	care.Since, care.Until = sim.Since, sim.Until
	if care.Networks, err = s.networks(ctx); err != nil {
		return nil, err
	}
	for i := range sim.Rows {
		r := &sim.Rows[i]
		edge := enforcer.Edge{Client: sim.Nodes[r.Dep.Client].ID, Server: sim.Nodes[r.Dep.Server].ID, Service: r.Dep.Service}
		if r.Class == policy.ClassAllowed {
			care.Kept = append(care.Kept, edge)
		} else {
			care.Foreseen = append(care.Foreseen, edge)
		}
	}
	care.Kept, care.Foreseen = enforcer.SortEdges(care.Kept), enforcer.SortEdges(care.Foreseen)
	return care, nil
}

// sayWatched says how what was confirmed is watched, and by whom.
func (a *app) sayWatched(st enforcer.Status) {
	if st.Watch != nil {
		a.say("watched until %s, while `bulkhead agent` or `bulkhead enforce --watch` runs here",
			st.WatchUntil.Local().Format(time.DateTime))
	}
}

// stay applies the set and then watches until ctx ends, and records what it sees
// unless the inventory came from a file.
func (e *enforcing) stay(ctx context.Context, set *policy.Set, host nft.Host, care *enforcer.Aftercare) error {
	o := &overseer{app: e.app, verb: "enforce", author: "watch", host: host,
		first: func(ctx context.Context, f *enforcer.Enforcer) error { return e.apply(ctx, f, set, host, care) }}
	if e.inventory != "" {
		return o.run(ctx)
	}
	return e.with(ctx, func(s *session) error {
		w, err := s.writer(ctx, false)
		if err != nil {
			return err
		}
		o.violations, o.records = w, w
		return errors.Join(o.run(ctx), w.Close())
	})
}
