package bundle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/internal/durable"
)

// kept is what a Keeper must know after a crash.
type kept struct {
	Seen    uint64   `json:"seen"`    // highest bundle taken
	Serial  uint64   `json:"serial"`  // bundle that is confirmed; 0 for none
	Version int      `json:"version"` // the enforcer's version it became
	Hash    string   `json:"hash"`    // of its policies
	Again   uint64   `json:"again,omitempty"`
	Pending *pending `json:"pending,omitempty"`
	Refusal *Refusal `json:"refusal,omitempty"`
}

type pending struct {
	Serial    uint64    `json:"serial"`
	Version   int       `json:"version"`
	Hash      string    `json:"hash"`
	Again     uint64    `json:"again,omitempty"`
	Confirm   string    `json:"confirm"`
	Deadline  time.Time `json:"deadline"`
	Unreached string    `json:"unreached,omitempty"` // why the controller could not be reached
}

// Refusal is a bundle that was not kept, and why.
type Refusal struct {
	Serial     uint64    `json:"serial,omitempty"` // 0 when it could not be believed
	Time       time.Time `json:"time"`
	Why        string    `json:"why"`
	RolledBack bool      `json:"rolledBack,omitempty"` // it was in force and taken back
	// Hash is of the policies that were taken back, Again their Bundle.Again: the same do
	// not come back because somebody's address has changed.
	Hash  string `json:"hash,omitempty"`
	Again uint64 `json:"again,omitempty"`
}

// Held says what a host has of what it was sent.
type Held struct {
	Seen, Serial uint64
	Hash         string // of the policies confirmed
	Pending      uint64
	Deadline     time.Time
	Refusal      *Refusal
	Released     bool // the table was taken away by hand
}

// Held returns the current state.
func (k *Keeper) Held() Held {
	st := k.opts.Enforcer.Status()
	k.mu.Lock()
	defer k.mu.Unlock()
	h := Held{Seen: k.kept.Seen, Serial: k.kept.Serial, Refusal: k.kept.Refusal}
	if st.Confirmed != nil {
		h.Hash = st.Confirmed.Hash
	}
	if p := k.kept.Pending; p != nil {
		h.Pending, h.Deadline = p.Serial, p.Deadline
	}
	h.Released = st.Confirmed == nil && st.Pending == nil && k.kept.Serial != 0
	return h
}

// replaced says why another version is in force than the bundle's: somebody on the
// host, or the watch over the change, went back, or somebody applied a file.
func (k *Keeper) replaced(now kept, by *enforcer.Version) *Refusal {
	if by.Number < now.Version || by.Host.MonitorOnly {
		return k.takenBack(now, now.Serial, now.Version, "")
	}
	return &Refusal{Serial: now.Serial, Time: k.opts.Now(), RolledBack: true, Hash: now.Hash, Again: now.Again,
		Why: fmt.Sprintf("%s applied something else on the host: %s", by.Author, by.Reason)}
}

// settle finds out what became of the change that waits, or of the one that was
// confirmed, and confirms what may be.
func (k *Keeper) settle(ctx context.Context) error {
	st := k.opts.Enforcer.Status()
	k.mu.Lock()
	now := k.kept
	k.mu.Unlock()
	p := now.Pending
	switch {
	case p != nil && st.Confirmed != nil && st.Confirmed.Number == p.Version:
		k.opts.Log.Info("bundles: confirmed", "bundle", p.Serial)
		return k.keep(kept{Seen: now.Seen, Serial: p.Serial, Version: p.Version, Hash: p.Hash, Again: p.Again})
	case p != nil && (st.Pending == nil || st.Pending.Number != p.Version):
		gone := kept{Hash: p.Hash, Again: p.Again}
		now.Pending, now.Refusal = nil, k.takenBack(gone, p.Serial, p.Version, p.Unreached)
		return k.keep(now)
	case p != nil && p.Confirm != ByOperator:
		return k.confirmByReach(ctx, p)
	case p == nil && now.Serial != 0 && st.Confirmed != nil && st.Pending == nil && st.Confirmed.Number != now.Version:
		return k.keep(kept{Seen: now.Seen, Refusal: k.replaced(now, st.Confirmed)})
	}
	return nil
}

// takenBack says why a version is no longer in force, in the journal's words.
func (k *Keeper) takenBack(gone kept, serial uint64, version int, unreached string) *Refusal {
	why := "it was taken back"
	steps, err := k.opts.Enforcer.Journal()
	if err != nil {
		k.opts.Log.Warn("bundles: journal not read", "error", err)
	}
	for _, s := range steps {
		if (s.Event == "expired" || s.Event == "rolled-back") && s.Detail != "" {
			why = s.Detail // the last one counts
		}
	}
	if unreached != "" {
		why += "; under it the controller could not be reached: " + unreached
	}
	k.opts.Log.Warn("bundles: taken back", "bundle", serial, "version", version, "why", why)
	return &Refusal{Serial: serial, Time: k.opts.Now(), Why: why, RolledBack: true, Hash: gone.Hash, Again: gone.Again}
}

// reachTimeout bounds one try to reach the controller.
const reachTimeout = 10 * time.Second

// confirmByReach confirms a change if the controller can be reached under it. As
// long as it cannot, the kernel's gate is not touched, and closes.
func (k *Keeper) confirmByReach(ctx context.Context, p *pending) error {
	if !k.opts.Now().Before(p.Deadline) {
		return nil // the gate has closed
	}
	try, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	if err := k.opts.Reach(try); err != nil {
		if p.Unreached == err.Error() {
			return nil
		}
		k.opts.Log.Warn("bundles: not confirmed: the controller cannot be reached", "bundle", p.Serial, "error", err)
		k.mu.Lock()
		next := k.kept
		k.mu.Unlock()
		c := *p
		c.Unreached = err.Error()
		next.Pending = &c
		return k.keep(next)
	}
	err := k.opts.Enforcer.Confirm(ctx)
	if errors.Is(err, enforcer.ErrNoPending) {
		return nil // too late, or confirmed by hand: the next look tells
	}
	if err != nil {
		return fmt.Errorf("bundle %d: %w", p.Serial, err)
	}
	return k.settle(ctx)
}

func readKept(file string) (k kept, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err != nil {
		return k, fmt.Errorf("bundles: %s: %w", file, err)
	}
	return k, nil
}

// keep puts a state on disk and makes it the current one.
func (k *Keeper) keep(next kept) error {
	text, err := json.MarshalIndent(next, "", "  ")
	if err == nil {
		err = durable.Replace(k.opts.File, text)
	}
	k.mu.Lock()
	k.kept = next // true even if it could not be written down
	k.mu.Unlock()
	k.opts.Changed()
	if err != nil {
		return fmt.Errorf("bundles: %w", err)
	}
	return nil
}
