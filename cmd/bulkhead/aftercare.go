package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/internal/task"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
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
	if e.inventory != "" {
		return e.oversee(ctx, set, host, care, nil)
	}
	return e.with(ctx, func(s *session) error {
		w, err := s.writer(ctx, false)
		if err != nil {
			return err
		}
		return errors.Join(e.oversee(ctx, set, host, care, w), w.Close())
	})
}

// oversee runs the enforcer and the listeners; w is nil when nothing is recorded.
func (e *enforcing) oversee(ctx context.Context, set *policy.Set, host nft.Host, care *enforcer.Aftercare, w *stampedWriter) (err error) {
	release, err := alone(e.agentDir())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	k, err := nft.Open(0)
	if err != nil {
		return fmt.Errorf("enforce: %w", err)
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	var book watch.Book
	opt := e.enforcerOptions(k)
	opt.OnRuleset, opt.OnStep, opt.Author = book.Set, e.sayStep, "watch"
	f, err := enforcer.Open(opt)
	if err != nil {
		return err
	}
	lines := &lineSink{w: e.out}
	listener := watch.New(watch.Options{Host: host.Name, Process: watch.NewProcesses(0).Of, Workload: workloadKeys(host)}, &book, violationSinks{f, lines})
	first := &firstStep{ready: make(chan struct{}), after: f.Ready(), do: func(ctx context.Context) error { return e.apply(ctx, f, set, host, care) }}
	tasks := []task.Task{f, listener, first}
	if w != nil {
		lines.also = w
		restore, err := enforcer.CountTraffic()
		if err != nil {
			e.log.Warn("packets and bytes are not counted", "error", err)
		} else {
			defer restore() // a setting that cannot be put back stays on, which costs little
		}
		tasks = append(tasks, newDiscovery(e.app, 0.1, time.Minute, w))
	}
	return task.Run(ctx, append(tasks, task.NewSystemd(first))...)
}

// workloadKeys says who holds an address of a host's view.
func workloadKeys(host nft.Host) func(netip.Addr) uint64 {
	owners := map[netip.Addr]uint64{}
	for _, w := range host.Workloads {
		for _, a := range w.Addrs {
			owners[a] = topology.WorkloadKey(w.ID)
		}
	}
	return func(a netip.Addr) uint64 { return owners[a] }
}

// firstStep does one thing once something else is ready.
type firstStep struct {
	after <-chan struct{}
	ready chan struct{}
	do    func(context.Context) error
}

func (f *firstStep) String() string         { return "policy file" }
func (f *firstStep) Ready() <-chan struct{} { return f.ready }

// Run waits, does it, and ends.
func (f *firstStep) Run(ctx context.Context) error {
	select {
	case <-f.after:
	case <-ctx.Done():
		return nil
	}
	if err := f.do(ctx); err != nil {
		return err
	}
	close(f.ready)
	return nil
}
