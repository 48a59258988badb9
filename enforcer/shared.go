package enforcer

import (
	"errors"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/nft"
)

// begin keeps other goroutines and processes out, and learns what another process
// did meanwhile: a command may confirm what an agent applied.
func (e *Enforcer) begin() (end func(), err error) {
	e.mu.Lock()
	unlock, err := e.state.lock()
	if err == nil {
		end = func() {
			unlock()
			e.mu.Unlock()
		}
		if err = e.reload(); err == nil {
			return end, nil
		}
		unlock()
	}
	e.mu.Unlock()
	return nil, err
}

// reload reads the state again if its pointers have changed.
func (e *Enforcer) reload() error {
	confirmed, err1 := e.state.pointed("confirmed")
	pending, err2 := e.state.pointed("pending")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if confirmed == number(e.confirmed) && pending == number(e.pending) {
		return nil
	}
	var err error
	if e.confirmed, err = e.state.load("confirmed"); err != nil {
		return err
	}
	if e.pending, err = e.state.load("pending"); err != nil {
		return err
	}
	if err := e.loadWatch(); err != nil {
		return err
	}
	v, gated := e.confirmed, map[string]time.Duration(nil)
	if e.pending != nil {
		v = e.pending
		if gated, err = e.gates(v); err != nil {
			return err
		}
	}
	if v == nil {
		e.inForce, e.enforcing = nft.Ruleset{}, false
		return nil
	}
	if e.inForce, err = v.compile(gated); err != nil {
		return err
	}
	e.enforcing, e.generation = true, 0 // look at the kernel at the next round
	e.opts.OnRuleset(&e.inForce)
	return nil
}

func number(v *Version) int {
	if v == nil {
		return 0
	}
	return v.Number
}

// gates says for how long the policies that v newly enforces may drop.
func (e *Enforcer) gates(v *Version) (map[string]time.Duration, error) {
	old, err := e.oldSet()
	if err != nil {
		return nil, err
	}
	set, err := v.set()
	if err != nil {
		return nil, err
	}
	gated := map[string]time.Duration{}
	for _, name := range newlyEnforced(old, set) {
		gated[name] = e.opts.Gate
	}
	return gated, nil
}
