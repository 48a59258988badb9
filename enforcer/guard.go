package enforcer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// String names the task.
func (e *Enforcer) String() string { return "enforcer" }

// Ready is closed when what was confirmed is in force again.
func (e *Enforcer) Ready() <-chan struct{} { return e.ready }

// guardInterval is how often the ruleset's generation is looked at: a change by
// somebody else is found within it.
const guardInterval = time.Second

// Run restores the confirmed version, then watches until ctx ends: it rolls back
// what is not confirmed in time, and repairs the table when somebody else has
// changed it. The ruleset stays in force when Run returns.
func (e *Enforcer) Run(ctx context.Context) error {
	if err := e.Restore(ctx); err != nil {
		return err
	}
	close(e.ready)
	tick := time.NewTicker(guardInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.keepWatch()
		case <-tick.C:
			if err := errors.Join(e.Guard(ctx), e.serveRequests(ctx)); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// Guard does one round of watching.
func (e *Enforcer) Guard(ctx context.Context) error {
	end, err := e.begin()
	if err != nil {
		return err
	}
	defer end()
	if v := e.pending; v != nil && !e.opts.Now().Before(v.Deadline) {
		return e.rollback(ctx, "expired", "it was not confirmed in time")
	}
	if done, err := e.guardWatch(ctx); done || err != nil {
		return err
	}
	if !e.enforcing {
		return nil
	}
	generation, err := e.opts.Kernel.Generation()
	if err != nil {
		return err
	}
	if generation == e.generation && !e.flapping {
		return nil
	}
	drift, err := e.opts.Kernel.Drift(&e.inForce)
	if err != nil {
		return err
	}
	e.generation = generation
	if drift.Empty() {
		return nil // some other table changed
	}
	return e.repair(ctx, drift.String())
}

// repair puts the table right again, unless that was done too often lately:
// then somebody else means it, and fighting them would only cost packets.
func (e *Enforcer) repair(ctx context.Context, drift string) error {
	now := e.opts.Now()
	recent := e.repairs[:0]
	for _, t := range e.repairs {
		if now.Sub(t) < time.Minute {
			recent = append(recent, t)
		}
	}
	e.repairs = recent
	if len(recent) >= e.opts.MaxRepairs {
		if e.flapping {
			return nil
		}
		e.flapping = true
		return e.record("flapping", e.confirmed, fmt.Sprintf("changed by others %d times in a minute; repairs pause", len(recent)+1))
	}
	e.flapping = false
	e.repairs = append(e.repairs, now)
	if err := e.record("tampered", e.confirmed, cutText(drift, 2000)); err != nil {
		return err
	}
	if e.pending != nil {
		return e.rollback(ctx, "rolled-back", "somebody changed the table before it was confirmed")
	}
	if e.confirmed == nil {
		return errors.New("enforcer: a table in force without a confirmed version")
	}
	return e.enforce(ctx, e.confirmed, nil, "repaired", "")
}

func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
