package bundle

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
)

// Enforcer is what a Keeper hands accepted bundles to; *enforcer.Enforcer is one.
type Enforcer interface {
	Apply(context.Context, enforcer.Request) (*enforcer.Version, error)
	Confirm(context.Context) error
	Status() enforcer.Status
	Journal() ([]enforcer.Step, error)
	Note(event, detail string) error
}

// KeeperOptions of a Keeper.
type KeeperOptions struct {
	Enforcer Enforcer
	Host     string                     // the name bundles must be for
	Mode     nft.Mode                   // they must be for
	Keys     func() []ed25519.PublicKey // that sign them
	File     string                     // where it is remembered which bundle was taken
	// Local adds to a bundle's target what only the host knows: its control groups,
	// the addresses of its controllers.
	Local func(*policy.Set, *nft.Host) error
	// Reach tries whether the controller can still be reached, over a new connection.
	Reach func(context.Context) error
	// Changed is called whenever Held would say something else; may be nil.
	Changed func()
	Log     *slog.Logger     // nil: slog.Default
	Now     func() time.Time // nil: time.Now
}

// Keeper stands between a controller and an enforcer: it accepts or refuses
// bundles, has accepted ones applied, confirms them as they ask to be, and knows
// what became of each. It is a task and safe for concurrent use.
//
// The number of the highest bundle that was taken is kept on disk. A bundle that
// was taken back, by the kernel's gate, by the watch over it or by a person on the
// host, counts as taken: it does not come back by itself.
type Keeper struct {
	opts  KeeperOptions
	ready chan struct{}

	offering sync.Mutex // one thing at a time is done to the enforcer
	mu       sync.Mutex
	kept     kept
}

// NewKeeper reads what was taken so far.
func NewKeeper(opts KeeperOptions) (*Keeper, error) {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Changed == nil {
		opts.Changed = func() {}
	}
	k := &Keeper{opts: opts, ready: make(chan struct{})}
	var err error
	k.kept, err = readKept(opts.File)
	return k, err
}

// String names the task.
func (k *Keeper) String() string { return "bundles" }

// Ready is closed at once: a host enforces what it has without a new bundle.
func (k *Keeper) Ready() <-chan struct{} { return k.ready }

// settleEvery is how often it is looked at what became of a change.
const settleEvery = 500 * time.Millisecond

// Run watches over what was applied until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	close(k.ready)
	tick, again := time.NewTicker(settleEvery), time.NewTicker(refreshEvery)
	defer tick.Stop()
	defer again.Stop()
	for {
		if err := k.look(ctx); err != nil && ctx.Err() == nil {
			k.opts.Log.Warn("bundles", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-again.C:
			if err := k.refresh(ctx); err != nil && ctx.Err() == nil {
				k.opts.Log.Warn("bundles", "error", err)
			}
		}
	}
}

// ErrBusy: another change waits to be confirmed; offer the bundle again later.
var ErrBusy = errors.New("another change waits to be confirmed")

// Offer verifies a bundle and has it applied. An error says why it was not; all but
// ErrBusy are remembered as the host's refusal.
func (k *Keeper) Offer(ctx context.Context, data []byte) error {
	k.offering.Lock()
	defer k.offering.Unlock()
	k.mu.Lock()
	trust := Trust{Host: k.opts.Host, Keys: k.opts.Keys(), Serial: k.kept.Seen}
	k.mu.Unlock()
	b, err := trust.Verify(data, k.opts.Now())
	if err != nil {
		return k.refuse(0, err)
	}
	if done, err := k.passOver(b); done {
		return err
	}
	if k.opts.Enforcer.Status().Pending != nil {
		return fmt.Errorf("bundle %d: %w", b.Serial, ErrBusy)
	}
	v, err := k.apply(ctx, b)
	if errors.Is(err, enforcer.ErrPending) {
		return fmt.Errorf("bundle %d: %w", b.Serial, ErrBusy)
	}
	if err != nil {
		return k.refuse(b.Serial, err)
	}
	next := kept{Seen: b.Serial, Serial: b.Serial, Version: v.Number, Hash: b.Hash, Again: b.Again}
	if !v.Deadline.IsZero() {
		k.mu.Lock()
		next = k.kept
		k.mu.Unlock()
		next.Seen, next.Refusal = b.Serial, nil
		next.Pending = &pending{Serial: b.Serial, Version: v.Number, Hash: b.Hash, Again: b.Again, Confirm: b.Confirm, Deadline: v.Deadline}
	}
	k.opts.Log.Info("bundles: applied", "bundle", b.Serial, "version", v.Number, "unconfirmed", !v.Deadline.IsZero())
	return k.keep(next)
}

// passOver takes note of a bundle without applying it, when its policies were taken
// back here or the table was taken away by hand, and no operator has asked for
// another try since.
func (k *Keeper) passOver(b *Bundle) (done bool, err error) {
	released := k.Held().Released
	k.mu.Lock()
	next := k.kept
	k.mu.Unlock()
	r := next.Refusal
	switch {
	case released && b.Again <= next.Again:
	case r != nil && r.RolledBack && r.Hash == b.Hash && b.Again <= r.Again:
		again := *r
		again.Serial = b.Serial
		next.Refusal = &again
	default:
		return false, nil
	}
	next.Seen = b.Serial
	return true, k.keep(next)
}

// apply turns a bundle into a change of the enforcer's.
func (k *Keeper) apply(ctx context.Context, b *Bundle) (*enforcer.Version, error) {
	if b.Target.Mode != k.opts.Mode {
		return nil, fmt.Errorf("bundle %d: it is for a %s, and this is a %s", b.Serial, b.Target.Mode, k.opts.Mode)
	}
	set, err := policy.Parse([]byte(b.Policy), fmt.Sprintf("bundle %d", b.Serial))
	if err != nil {
		return nil, err
	}
	if set.Hash() != b.Hash {
		return nil, fmt.Errorf("bundle %d: its policies mean something else to this version of the program; update it", b.Serial)
	}
	host := b.Target
	if err := k.opts.Local(set, &host); err != nil {
		return nil, fmt.Errorf("bundle %d: %w", b.Serial, err)
	}
	req := enforcer.Request{Set: set, Host: host, Author: "controller", Reason: fmt.Sprintf("bundle %d", b.Serial)}
	k.mu.Lock()
	if b.Hash != k.kept.Hash { // else a watch that runs goes on
		req.Aftercare = b.Aftercare
	}
	k.mu.Unlock()
	return k.opts.Enforcer.Apply(ctx, req)
}

// refuse remembers why a bundle was not kept; the same again is no news.
func (k *Keeper) refuse(serial uint64, why error) error {
	k.mu.Lock()
	next := k.kept
	k.mu.Unlock()
	if r := next.Refusal; r != nil && r.Serial == serial && r.Why == why.Error() {
		return why
	}
	k.opts.Log.Warn("bundles: refused", "error", why)
	next.Refusal = &Refusal{Serial: serial, Time: k.opts.Now(), Why: why.Error()}
	return errors.Join(why, k.keep(next), k.opts.Enforcer.Note("refused", why.Error()))
}

func (k *Keeper) look(ctx context.Context) error {
	k.offering.Lock()
	defer k.offering.Unlock()
	return k.settle(ctx)
}

// Confirm is an operator's word for a bundle that waits.
func (k *Keeper) Confirm(ctx context.Context, serial uint64) error {
	k.offering.Lock()
	defer k.offering.Unlock()
	k.mu.Lock()
	p := k.kept.Pending
	k.mu.Unlock()
	if p == nil || p.Serial > serial || p.Confirm != ByOperator {
		return nil
	}
	if err := k.opts.Enforcer.Confirm(ctx); err != nil {
		return fmt.Errorf("bundle %d: %w", p.Serial, err)
	}
	return k.settle(ctx)
}
