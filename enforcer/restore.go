package enforcer

import (
	"context"
)

// Restore puts the last confirmed version in force, before anything else is done
// after a start. A change that was never confirmed is rolled back by it, unless it
// still has time and the kernel still holds it: then it goes on waiting.
func (e *Enforcer) Restore(ctx context.Context) error {
	end, err := e.begin()
	if err != nil {
		return err
	}
	defer end()
	if e.pending != nil {
		if holds, err := e.adopt(); holds || err != nil {
			return err
		}
		return e.rollback(ctx, "expired", "the enforcer was restarted before it was confirmed")
	}
	if e.confirmed == nil {
		return nil
	}
	return e.enforce(ctx, e.confirmed, nil, "restored", "")
}

// adopt takes the pending version up as another process left it; false when it is
// not what the kernel holds, or too late.
func (e *Enforcer) adopt() (holds bool, err error) {
	if !e.opts.Now().Before(e.pending.Deadline) {
		return false, nil
	}
	gated, err := e.gates(e.pending)
	if err != nil {
		return false, err
	}
	r, err := e.pending.compile(gated)
	if err != nil {
		return false, err
	}
	generation, err := e.opts.Kernel.Generation()
	if err != nil {
		return false, err
	}
	if drift, err := e.opts.Kernel.Drift(&r); err != nil || !drift.Empty() {
		return false, err
	}
	e.inForce, e.enforcing, e.generation = r, true, generation
	e.opts.OnRuleset(&r)
	return true, nil
}
