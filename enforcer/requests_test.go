package enforcer_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
)

// locked is a kernel that belongs to another.
type locked struct{ paper }

func (*locked) Apply(context.Context, nft.Ruleset) (nft.Applied, error) {
	return nft.Applied{}, nft.ErrOwned
}
func (*locked) Remove(context.Context) error { return nft.ErrOwned }

// Commands on a machine whose table an agent owns go through the agent: applying,
// confirming, going back, releasing, with its errors and in the name of who asked.
func TestCommandsGoThroughTheOwner(t *testing.T) {
	dir := t.TempDir()
	owner, err := enforcer.Open(enforcer.Options{Kernel: &paper{}, Dir: dir, Author: "agent"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- owner.Run(ctx) }()
	<-owner.Ready()
	var owned atomic.Bool
	owned.Store(true)
	command, err := enforcer.Open(enforcer.Options{Kernel: &locked{}, Dir: dir, Author: "ann", Owned: func() (bool, error) { return owned.Load(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	v, err := command.Apply(ctx, enforcer.Request{Set: shop(policy.Enforce, 5432), Host: shopHost(), Author: "ann", Reason: "drill"})
	if err != nil || v.Number != 1 || v.Deadline.IsZero() || v.Author != "ann" {
		t.Fatalf("apply: %+v, %v", v, err)
	}
	if _, err := command.Apply(ctx, enforcer.Request{Set: shop(policy.Enforce), Host: shopHost()}); !errors.Is(err, enforcer.ErrPending) {
		t.Errorf("apply over a waiting change: %v, want ErrPending", err)
	}
	if err := command.Confirm(ctx); err != nil {
		t.Fatal(err)
	}
	if err := command.Confirm(ctx); !errors.Is(err, enforcer.ErrNoPending) {
		t.Errorf("confirm twice: %v, want ErrNoPending", err)
	}
	if err := command.Rollback(ctx, 7, ""); !errors.Is(err, enforcer.ErrNoVersion) {
		t.Errorf("back to 7: %v, want ErrNoVersion", err)
	}
	if err := command.Release(ctx, "over"); err != nil {
		t.Fatal(err)
	}
	steps, err := command.Journal()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if s.Author != "ann" {
			t.Errorf("%s is by %q, want who asked", s.Event, s.Author)
		}
	}
	events(t, command, "applied", "confirmed", "released")
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "requests", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// The owner is dead and the table orphaned: the command does it itself.
	asked := make(chan error, 1)
	go func() { asked <- command.Confirm(t.Context()) }()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if left, _ := filepath.Glob(filepath.Join(dir, "requests", "*.json")); len(left) > 0 {
			break
		}
	}
	owned.Store(false)
	if err := <-asked; !errors.Is(err, enforcer.ErrNoPending) {
		t.Errorf("confirm without an owner: %v, want its own ErrNoPending", err)
	}
}

// What is no request is answered as such, and changes nothing.
func TestMalformedRequestsAreAnswered(t *testing.T) {
	d := newDesk(t)
	if err := os.MkdirAll(filepath.Join(d.dir, "requests"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"a": "{", "b": `{"op":"format"}`, "c": `{"op":"apply","policy":"x: y"}`, "d": `{"op":"apply"}`} {
		if err := os.WriteFile(filepath.Join(d.dir, "requests", name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	for _, name := range []string{"a", "b", "c", "d"} {
		file := filepath.Join(d.dir, "requests", name+".answer")
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if text, err := os.ReadFile(file); err == nil {
				if len(text) < len(`{"error":"x"}`) {
					t.Errorf("%s is answered %s", name, text)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is not answered", name)
			}
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if st := d.Status(); st.Confirmed != nil || st.Pending != nil {
		t.Errorf("something is in force: %+v", st)
	}
}

// An agent that is restarted while a change waits takes it up where the kernel
// still holds it, and it can be confirmed.
func TestWaitingChangeSurvivesRestart(t *testing.T) {
	d := newDesk(t)
	if _, err := d.Apply(t.Context(), enforcer.Request{Set: shop(policy.Enforce, 5432), Host: shopHost()}); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Minute)
	d.open()
	if err := d.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.guard()
	if err := d.Confirm(t.Context()); err != nil {
		t.Errorf("confirm after a restart in time: %v", err)
	}
	events(t, d.Enforcer, "applied", "confirmed")
}
