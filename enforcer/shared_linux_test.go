package enforcer_test

import (
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// TestCommandConfirmsForAgent: an agent and a command work on one state folder;
// what the command confirms, the agent does not take back when its own gate time
// is over, and what the command releases, the agent does not restore.
func TestCommandConfirmsForAgent(t *testing.T) {
	testenv.Need(t, "netns")
	d := newDrill(t)
	dir := t.TempDir()
	now := time.Now()
	open := func() *enforcer.Enforcer {
		e, err := enforcer.Open(enforcer.Options{Kernel: openKernel(t, d.victim), Dir: dir, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	agent := open()
	if err := agent.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.Apply(t.Context(), enforcer.Request{Set: onlySSH(), Host: victim()}); err != nil {
		t.Fatal(err)
	}
	if err := open().Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if err := agent.Guard(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.lost(); len(got) != 2 {
		t.Errorf("after the gate time lost %v, want DNS and the controller cut as confirmed", got)
	}
	if s := agent.Status(); s.Pending != nil || s.Confirmed == nil {
		t.Errorf("the agent does not know of the confirmation: %+v", s)
	}
	if err := open().Release(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if err := agent.Guard(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.lost(); got != nil {
		t.Errorf("after release lost %v", got)
	}
}
