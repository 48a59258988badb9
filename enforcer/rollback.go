package enforcer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/enforcer/nft"
)

// Rollback takes the pending version back; without one, it returns to the version
// of that number, or with 0 to the one before.
func (e *Enforcer) Rollback(ctx context.Context, to int, why string) error {
	if _, handled, err := e.delegate(ctx, request{Op: "rollback", To: to, Why: why}); handled || err != nil {
		return err
	}
	end, err := e.begin()
	if err != nil {
		return err
	}
	defer end()
	if e.pending != nil {
		return e.rollback(ctx, "rolled-back", why)
	}
	numbers, err := e.state.numbers()
	if err != nil {
		return err
	}
	if to == 0 && e.confirmed != nil {
		if to = e.confirmed.Replaces; to == 0 {
			return fmt.Errorf("roll back: nothing was confirmed before version %d: release the machine instead: %w", e.confirmed.Number, ErrNoVersion)
		}
	}
	if !slices.Contains(numbers, to) {
		return fmt.Errorf("roll back to %d: %w", to, ErrNoVersion)
	}
	v, err := e.state.version(to)
	if err != nil {
		return err
	}
	if v.Confirmed.IsZero() {
		return fmt.Errorf("roll back to %d: %w", to, ErrNeverConfirmed)
	}
	if err := e.endWatch("rolled back by hand"); err != nil {
		return err
	}
	if err := e.enforce(ctx, v, nil, "rolled-back", why); err != nil {
		return err
	}
	return e.settle(v)
}

// rollback returns from the pending version to the confirmed one, or to nothing.
func (e *Enforcer) rollback(ctx context.Context, event, why string) error {
	v := e.pending
	if err := e.record(event, v, why); err != nil {
		return err
	}
	e.pending = nil
	if err := errors.Join(e.endWatch(event), e.loadWatch()); err != nil {
		return err
	}
	if e.confirmed == nil {
		if err := e.opts.Kernel.Remove(ctx); err != nil {
			return err
		}
		e.enforcing, e.inForce = false, nft.Ruleset{}
		return e.state.unpoint("pending")
	}
	if err := e.enforce(ctx, e.confirmed, nil, "restored", ""); err != nil {
		return err
	}
	return e.state.unpoint("pending")
}

// Release takes the table away and forgets what was in force: the host is as it
// was found. The journal stays.
func (e *Enforcer) Release(ctx context.Context, why string) error {
	if _, handled, err := e.delegate(ctx, request{Op: "release", Why: why}); handled || err != nil {
		return err
	}
	end, err := e.begin()
	if err != nil {
		return err
	}
	defer end()
	if err := e.opts.Kernel.Remove(ctx); err != nil {
		return err
	}
	v := e.confirmed
	if err := e.endWatch("released"); err != nil {
		return err
	}
	e.confirmed, e.pending, e.enforcing, e.inForce = nil, nil, false, nft.Ruleset{}
	return errors.Join(e.record("released", v, why), e.state.unpoint("confirmed"), e.state.unpoint("pending"))
}
