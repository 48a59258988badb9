package enforcer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/bulkhead/bulkhead/policy"
)

// Violations counts what the change under watch blocks; it makes an Enforcer a
// watch.Sink. What would be blocked by a policy in monitor is no business of the
// change's.
func (e *Enforcer) Violations(list []policy.Violation) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.watch
	if t == nil || t.Ended != "" {
		return nil
	}
	for i := range list {
		v := &list[i]
		if v.Outcome == policy.Blocked && !v.Time.Std().Before(e.watchFrom) {
			t.blocked(v.Client, v.Server, v.Service, 1+v.Suppressed, v.Time)
		}
	}
	return nil
}

// prepareWatch writes down what v is watched for before it is in force.
func (e *Enforcer) prepareWatch(v *Version, care *Aftercare) error {
	if care != nil {
		return e.state.saveWatch(&Watch{Version: v.Number, Aftercare: *care})
	}
	if e.watch != nil && v.Deadline.IsZero() {
		v.WatchOf = e.watch.Version
	}
	return nil
}

// watched is the version in force whose change may be under watch; nil when none.
func (e *Enforcer) watched() *Version {
	if e.pending != nil {
		return e.pending
	}
	return e.confirmed
}

// loadWatch takes up the watch over what is in force.
func (e *Enforcer) loadWatch() error {
	if err := e.keepWatch(); err != nil {
		return err
	}
	e.watch = nil
	v := e.watched()
	if v == nil {
		return nil
	}
	changed := v
	if v.WatchOf != 0 {
		var err error
		if changed, err = e.state.version(v.WatchOf); err != nil {
			return err
		}
	}
	w, err := e.state.loadWatch(changed.Number)
	if err != nil || w == nil || w.Ended != "" {
		return err
	}
	e.watch, e.watchSaved = newTally(*w, newNamer(&v.Host, w.Networks)), e.opts.Now()
	e.watchFrom, e.watchUntil = changed.Time, time.Time{}
	if !changed.Confirmed.IsZero() {
		e.watchUntil = changed.Confirmed.Add(cmp.Or(w.For, AftercareTime))
	}
	return nil
}

// keepWatch puts what was counted on disk.
func (e *Enforcer) keepWatch() error {
	if e.watch == nil || !e.watch.dirty {
		return nil
	}
	e.watch.dirty, e.watchSaved = false, e.opts.Now()
	return e.state.saveWatch(&e.watch.Watch)
}

// endWatch closes the watch for good.
func (e *Enforcer) endWatch(why string) error {
	t := e.watch
	if t == nil {
		return nil
	}
	e.watch, t.Ended = nil, why
	return e.state.saveWatch(&t.Watch)
}

// guardWatch ends a watch that is over, or takes its change back; done says that
// the ruleset has just been replaced.
func (e *Enforcer) guardWatch(ctx context.Context) (done bool, err error) {
	t := e.watch
	if t == nil {
		return false, nil
	}
	now := e.opts.Now()
	switch {
	case t.exceeded():
		// Ended only when the change is gone: a failure is tried again.
		if err := e.rollbackWatched(ctx, t.Version, t.String()); err != nil {
			return true, err
		}
		t.Ended = "taken back"
		return true, errors.Join(e.state.saveWatch(&t.Watch), e.loadWatch())
	case !e.watchUntil.IsZero() && !now.Before(e.watchUntil):
		return false, errors.Join(e.endWatch("over"), e.record("watched", e.watched(), t.String()))
	case now.Sub(e.watchSaved) >= keepWatchEvery:
		return false, e.keepWatch()
	}
	return false, nil
}

// keepWatchEvery is how often counts are put on disk: what a crash may lose.
const keepWatchEvery = 10 * time.Second

// rollbackWatched takes back the change under watch: the pending one, or what was
// confirmed before the change.
func (e *Enforcer) rollbackWatched(ctx context.Context, version int, why string) error {
	if e.pending != nil {
		return e.rollback(ctx, "rolled-back", why)
	}
	changed, err := e.state.version(version)
	if err != nil {
		return err
	}
	old, err := e.state.version(changed.Replaces)
	if changed.Replaces == 0 || errors.Is(err, fs.ErrNotExist) {
		return e.monitorInstead(ctx, why) // nothing was in force before
	}
	if err != nil {
		return err
	}
	if err := e.enforce(ctx, old, nil, "rolled-back", why); err != nil {
		return err
	}
	return e.settle(old)
}

// monitorInstead keeps the confirmed policies and blocks nothing any more.
func (e *Enforcer) monitorInstead(ctx context.Context, why string) error {
	set, err := e.confirmed.set()
	if err != nil {
		return err
	}
	host := e.confirmed.Host
	host.MonitorOnly = true
	v, err := e.newVersion(Request{Set: set, Host: host, Reason: why})
	if err != nil {
		return err
	}
	if err := e.enforce(ctx, v, nil, "rolled-back", "to monitor: "+why); err != nil {
		return err
	}
	return e.settle(v)
}

// loadWatch reads the watch over a version's change; nil when there is none.
func (s *state) loadWatch(n int) (*Watch, error) {
	text, err := os.ReadFile(s.watchFile(n))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("enforcer state: watch over version %d: %w", n, err)
	}
	w := &Watch{}
	if err := json.Unmarshal(text, w); err != nil {
		return nil, fmt.Errorf("enforcer state: watch over version %d: %w", n, err)
	}
	return w, nil
}

func (s *state) watchFile(n int) string { return s.path("versions", fmt.Sprintf("%d.watch", n)) }

func (s *state) saveWatch(w *Watch) error {
	text, err := w.text()
	if err != nil {
		return fmt.Errorf("enforcer state: watch over version %d: %w", w.Version, err)
	}
	return s.replace(text, "versions", fmt.Sprintf("%d.watch", w.Version))
}
