package enforcer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// AftercareTime is how long a confirmed change is watched.
const AftercareTime = 48 * time.Hour

// Edge is a dependency a policy cut or would cut.
type Edge struct {
	Client, Server flow.Party
	Service        flow.Service
}

// Aftercare compares what a change blocks with what its simulation forecast. It is
// a watch.Sink and safe for concurrent use.
type Aftercare struct {
	// Until is when the watch ends.
	Until time.Time
	// MaxUnforeseen edges blocked are borne; one more and the change is rolled back.
	MaxUnforeseen int

	mu         sync.Mutex
	forecast   map[Edge]bool
	foreseen   map[Edge]uint64
	unforeseen map[Edge]uint64
	order      []Edge // of unforeseen, as they came
}

// NewAftercare prepares a watch over a change whose simulation said that these
// edges would break. Edges carry workload keys where known, else addresses.
func NewAftercare(until time.Time, forecast []Edge, maxUnforeseen int) *Aftercare {
	a := &Aftercare{Until: until, MaxUnforeseen: maxUnforeseen, forecast: map[Edge]bool{},
		foreseen: map[Edge]uint64{}, unforeseen: map[Edge]uint64{}}
	for _, e := range forecast {
		a.forecast[e.normal()] = true
	}
	return a
}

// normal leaves out the address of a known workload, which may have several.
func (e Edge) normal() Edge {
	for _, p := range []*flow.Party{&e.Client, &e.Server} {
		if p.Workload != 0 {
			*p = flow.Party{Workload: p.Workload}
		}
	}
	return e
}

// Violations counts what was blocked. What would be blocked by a policy still in
// monitor is no business of the change's.
func (a *Aftercare) Violations(list []policy.Violation) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range list {
		v := &list[i]
		if v.Outcome != policy.Blocked || v.Time.Std().After(a.Until) {
			continue
		}
		e := Edge{v.Client, v.Server, v.Service}.normal()
		if a.forecast[e] {
			a.foreseen[e] += 1 + v.Suppressed
			continue
		}
		if _, known := a.unforeseen[e]; !known {
			a.order = append(a.order, e)
		}
		a.unforeseen[e] += 1 + v.Suppressed
	}
	return nil
}

// Unforeseen returns the edges blocked that no simulation expected, in the order
// they came.
func (a *Aftercare) Unforeseen() []Edge {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Edge(nil), a.order...)
}

func (a *Aftercare) exceeded() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.order) > a.MaxUnforeseen
}

func (a *Aftercare) verdict() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := a.order[0]
	return fmt.Sprintf("%d dependencies blocked that the simulation had not foreseen (first: %v → %v %v), %d are borne",
		len(a.order), first.Client.Addr, first.Server.Addr, first.Service, a.MaxUnforeseen)
}

// Watch has Guard roll the last change back when a exceeds its threshold; nil
// ends the watch.
func (e *Enforcer) Watch(a *Aftercare) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watch = a
}

// rollbackWatched takes back the change under watch: the pending one, or the one
// confirmed last.
func (e *Enforcer) rollbackWatched(ctx context.Context, why string) error {
	if e.pending != nil {
		return e.rollback(ctx, "rolled-back", why)
	}
	if e.confirmed == nil {
		return nil
	}
	if old, err := e.state.version(e.confirmed.Number - 1); err == nil {
		if err := e.enforce(ctx, old, nil, "rolled-back", why); err != nil {
			return err
		}
		return e.settle(old)
	}
	set, err := e.confirmed.set() // the first version ever: monitor it instead
	if err != nil {
		return err
	}
	host := e.confirmed.Host
	host.MonitorOnly = true
	v, err := e.newVersion(Request{Set: set, Host: host, Reason: why})
	if err != nil {
		return err
	}
	if err := e.enforce(ctx, v, nil, "rolled-back", why); err != nil {
		return err
	}
	return e.settle(v)
}
