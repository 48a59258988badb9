package enforcer_test

import (
	"context"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// TestAftercareOnRealTraffic: what the kernel really drops and reports is weighed.
// A drop that was forecast leaves the change alone; one that was not takes it back,
// and the connection works again.
func TestAftercareOnRealTraffic(t *testing.T) {
	testenv.Need(t, "netns")
	d := newDrill(t)
	k := openKernel(t, d.victim)
	var book watch.Book
	e, err := enforcer.Open(enforcer.Options{Kernel: k, Dir: t.TempDir(), OnRuleset: book.Set})
	if err != nil {
		t.Fatal(err)
	}
	listener := watch.New(watch.Options{NetNS: d.victim.FD(), Host: "victim"}, &book, e)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- listener.Run(ctx) }()
	go func() { done <- e.Run(ctx) }()
	defer func() {
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}()
	<-listener.Ready()
	<-e.Ready()

	care := &enforcer.Aftercare{Since: 1, Until: 2, Foreseen: []enforcer.Edge{edge("v", "10.7.0.1", "tcp/53")}}
	if _, err := e.Apply(t.Context(), enforcer.Request{Set: onlySSH(), Host: victim(), Aftercare: care}); err != nil {
		t.Fatal(err)
	}
	if err := e.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if reaches(d.victim, "10.7.0.1:53") {
		t.Fatal("the change cuts nothing")
	}
	eventually(t, "the forecast drop is counted", func() bool {
		w := e.Status().Watch
		return w != nil && len(w.SeenForeseen) == 1
	})
	if w := e.Status().Watch; w.Harm() != 0 {
		t.Errorf("harm %d of what was forecast", w.Harm())
	}
	if reaches(d.victim, "10.7.0.1:8443") {
		t.Fatal("the controller is not cut")
	}
	began := time.Now()
	eventually(t, "the change is taken back", func() bool { return e.Status().Watch == nil })
	t.Logf("taken back after %v", time.Since(began).Round(10*time.Millisecond))
	if lost := d.lost(); lost != nil {
		t.Errorf("still lost: %v", lost)
	}
	events(t, e, "applied", "confirmed", "rolled-back")
}
