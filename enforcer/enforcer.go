package enforcer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
)

// Kernel is what an Enforcer drives; *nft.Kernel is one.
type Kernel interface {
	Apply(context.Context, nft.Ruleset) (nft.Applied, error)
	Drift(want *nft.Ruleset) (nft.Changes, error)
	Generation() (uint32, error)
	Remove(context.Context) error
}

// DefaultGate is how long a newly enforced policy may drop before it is confirmed.
const DefaultGate = 120 * time.Second

// Options of an Enforcer.
type Options struct {
	Kernel Kernel
	Dir    string        // state folder, made if absent
	Gate   time.Duration // 0 for DefaultGate
	Now    func() time.Time
	// OnRuleset is told of every ruleset that goes into force, before it does; for
	// whoever explains its reports. May be nil.
	OnRuleset func(*nft.Ruleset)
	// OnStep is told of every step once it is in the journal; it must not call back.
	// May be nil.
	OnStep func(Step)
	// CutConnections ends the established connections that a set forbids, and says
	// how many; nil where that cannot be done.
	CutConnections func(ctx context.Context, set *policy.Set, host *nft.Host) (int, error)
	// Author is who acts through this Enforcer, for the journal: a person at a command,
	// or the agent. What is applied has an author of its own.
	Author string
	// Owned reports whether another living program owns the table: what is asked of
	// this Enforcer is then handed to it. Nil for whoever owns it, or where none does.
	Owned func() (bool, error)
	// MaxRepairs bounds repairs of a tampered table per minute; 0 for 5.
	MaxRepairs int
}

// Enforcer takes one enforcement point from version to version: plan, apply,
// confirm or roll back. It is safe for concurrent use.
type Enforcer struct {
	opts  Options
	state *state
	ready chan struct{}

	mu         sync.Mutex
	confirmed  *Version // nil before the first
	pending    *Version // applied, not confirmed
	inForce    nft.Ruleset
	enforcing  bool // inForce is what the kernel shall hold
	generation uint32
	repairs    []time.Time
	flapping   bool
	watch      *tally    // over what is in force; nil when nobody asked for one
	watchFrom  time.Time // events before are of what was in force then
	watchUntil time.Time // zero until the change is confirmed
	watchSaved time.Time
}

// Errors that callers tell apart.
var (
	ErrPending   = errors.New("another change waits to be confirmed")
	ErrNoPending = errors.New("no change waits to be confirmed")
	ErrNoVersion = errors.New("no such version")
	// ErrNeverConfirmed: nobody ever said that the version lets them in.
	ErrNeverConfirmed = errors.New("this version was never confirmed; apply its policy again instead")
)

// Open reads the state folder; it changes nothing in the kernel, see Restore.
func Open(opts Options) (*Enforcer, error) {
	if opts.Gate == 0 {
		opts.Gate = DefaultGate
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.MaxRepairs == 0 {
		opts.MaxRepairs = 5
	}
	if opts.OnRuleset == nil {
		opts.OnRuleset = func(*nft.Ruleset) {}
	}
	s, err := openState(opts.Dir)
	if err != nil {
		return nil, err
	}
	e := &Enforcer{opts: opts, state: s, ready: make(chan struct{})}
	if e.confirmed, err = s.load("confirmed"); err != nil {
		return nil, err
	}
	if e.pending, err = s.load("pending"); err != nil {
		return nil, err
	}
	return e, e.loadWatch()
}

// Request is a change to apply.
type Request struct {
	Set            *policy.Set
	Host           nft.Host
	Author, Reason string
	Established    Established // "" for Keep
	// Change is the id of the recorded change that this is a step of, if any.
	Change string
	// Aftercare has the change watched. Without one, a watch over the version in
	// force goes on when nothing is newly enforced, and rests otherwise.
	Aftercare *Aftercare
}

// Apply puts a set in force. When it newly enforces policies, their drops last
// only until the gate closes, whoever is alive by then, unless Confirm is called
// before; otherwise the version is confirmed at once.
func (e *Enforcer) Apply(ctx context.Context, req Request) (*Version, error) {
	v, handled, err := e.delegate(ctx, request{Op: "apply", Policy: string(policy.Format(req.Set)), Host: &req.Host, Why: req.Reason,
		Established: req.Established, Change: req.Change, Aftercare: req.Aftercare})
	if handled || err != nil {
		return v, err
	}
	end, err := e.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	if v := e.pending; v != nil {
		if e.opts.Now().Before(v.Deadline) {
			return nil, fmt.Errorf("apply: version %d: %w", v.Number, ErrPending)
		}
		if err := e.rollback(ctx, "expired", "it was not confirmed in time"); err != nil {
			return nil, err
		}
	}
	if v, err = e.newVersion(req); err != nil {
		return nil, err
	}
	gated, err := e.gates(v)
	if err != nil {
		return nil, err
	}
	if len(gated) > 0 && !req.Host.MonitorOnly {
		v.Deadline = v.Time.Add(e.opts.Gate)
	}
	if err := e.prepareWatch(v, req.Aftercare); err != nil {
		return nil, err
	}
	if err := e.state.save(v); err != nil {
		return nil, err
	}
	if v.Deadline.IsZero() {
		if err := e.enforce(ctx, v, nil, "applied", "nothing newly enforced"); err != nil {
			return nil, err
		}
		return v, e.settle(v)
	}
	// Written before the kernel is touched: after a crash the restart rolls back.
	if err := e.state.point("pending", v.Number); err != nil {
		return nil, err
	}
	e.pending = v
	if err := e.loadWatch(); err != nil {
		return nil, err
	}
	detail := fmt.Sprintf("unconfirmed: %s drops until %s", strings.Join(sortedKeys(gated), ", "), v.Deadline.Format(time.RFC3339))
	if err := e.enforce(ctx, v, gated, "applied", detail); err != nil {
		return nil, errors.Join(err, e.rollback(ctx, "rolled-back", "it could not be applied"))
	}
	return v, nil
}

func (e *Enforcer) newVersion(req Request) (*Version, error) {
	numbers, err := e.state.numbers()
	if err != nil {
		return nil, err
	}
	v := &Version{
		Number: 1, Hash: req.Set.Hash(), Time: e.opts.Now(), Author: req.Author, Reason: req.Reason,
		Established: req.Established, Change: req.Change, Replaces: number(e.confirmed), Policy: string(policy.Format(req.Set)), Host: req.Host,
	}
	if v.Established == "" {
		v.Established = Keep
	}
	if len(numbers) > 0 {
		v.Number = slices.Max(numbers) + 1
	}
	return v, nil
}

// settle makes v the confirmed version.
func (e *Enforcer) settle(v *Version) error {
	v.Deadline = time.Time{}
	if v.Confirmed.IsZero() {
		v.Confirmed = e.opts.Now()
	}
	if err := errors.Join(e.state.save(v), e.state.point("confirmed", v.Number), e.state.unpoint("pending")); err != nil {
		return err
	}
	e.confirmed, e.pending = v, nil
	return errors.Join(e.loadWatch(), e.state.prune(e.confirmed))
}

// enforce compiles a version, puts it in force, and records that.
func (e *Enforcer) enforce(ctx context.Context, v *Version, gated map[string]time.Duration, event, detail string) error {
	r, err := v.compile(gated)
	if err != nil {
		return err
	}
	e.opts.OnRuleset(&r)
	done, err := e.opts.Kernel.Apply(ctx, r)
	if err != nil {
		_ = e.record("failed", v, err.Error()) // the error below matters more
		return fmt.Errorf("version %d: %w", v.Number, err)
	}
	e.inForce, e.enforcing = r, true
	if e.generation, err = e.opts.Kernel.Generation(); err != nil {
		return err
	}
	if detail == "" {
		detail = fmt.Sprintf("%d elements in %s", done.Elements, done.Took.Round(time.Millisecond))
	}
	if v.Established == Cut && event == "applied" && e.opts.CutConnections != nil {
		set, err := v.set()
		if err != nil {
			return err
		}
		n, err := e.opts.CutConnections(ctx, set, &v.Host)
		if err != nil {
			return fmt.Errorf("version %d: cut connections: %w", v.Number, err)
		}
		if v.CutConnections = n; n > 0 {
			if err := e.state.save(v); err != nil {
				return err
			}
		}
		detail += fmt.Sprintf("; %d connections cut", n)
	}
	return e.record(event, v, detail)
}

func (e *Enforcer) record(event string, v *Version, detail string) error {
	s := Step{Time: e.opts.Now(), Event: event, Detail: detail}
	if v != nil {
		s.Version, s.Hash, s.Change = v.Number, v.Hash, v.Change
	}
	if event == "rolled-back" && e.pending == nil && e.confirmed != nil {
		s.Change = e.confirmed.Change // what is taken back, not where to
	}
	s.Author = e.opts.Author
	if v != nil && event == "applied" {
		s.Author, s.Reason = v.Author, v.Reason
	}
	if err := e.state.record(s); err != nil {
		return err
	}
	if e.opts.OnStep != nil {
		e.opts.OnStep(s)
	}
	return nil
}

// Confirm makes the pending version permanent.
func (e *Enforcer) Confirm(ctx context.Context) error {
	if _, handled, err := e.delegate(ctx, request{Op: "confirm"}); handled || err != nil {
		return err
	}
	end, err := e.begin()
	if err != nil {
		return err
	}
	defer end()
	v := e.pending
	if v == nil {
		return ErrNoPending
	}
	if !e.opts.Now().Before(v.Deadline) {
		return errors.Join(fmt.Errorf("version %d: confirmed too late: %w", v.Number, ErrNoPending),
			e.rollback(ctx, "expired", "confirmed too late"))
	}
	if err := e.enforce(ctx, v, nil, "confirmed", ""); err != nil {
		return err
	}
	return e.settle(v)
}

// Journal returns every step so far.
func (e *Enforcer) Journal() ([]Step, error) { return e.state.journal() }

// Status is what an enforcer has in force.
type Status struct {
	Confirmed, Pending *Version // nil when none
	Flapping           bool     // somebody keeps changing the table; repairs are paused
	// Watch is the watch over what is in force; nil when there is none. WatchUntil
	// is when it ends, zero while its change waits to be confirmed.
	Watch      *Watch
	WatchUntil time.Time
}

// Status returns the current state.
func (e *Enforcer) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	st := Status{Confirmed: e.confirmed, Pending: e.pending, Flapping: e.flapping}
	if e.watch != nil {
		w := e.watch.Watch
		w.SeenForeseen, w.SeenBroken, w.SeenUnforeseen = slices.Clone(w.SeenForeseen), slices.Clone(w.SeenBroken), slices.Clone(w.SeenUnforeseen)
		st.Watch, st.WatchUntil = &w, e.watchUntil
	}
	return st
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
