package enforcer_test

import (
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
)

// TestCutFindsWhatWasNeverTracked: where nothing tracked connections before, a
// first change that cuts still ends, on the server's own host, those its sockets
// have; and counts them.
func TestCutFindsWhatWasNeverTracked(t *testing.T) {
	testenv.Need(t, "netns")
	lab := newRouted(t)
	echo(t, lab.server, "10.8.2.2:80")
	old, err := dial(lab.client, "10.8.2.2:80", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if !alive(old) {
		t.Fatal("the connection never worked")
	}
	k := openKernel(t, lab.server)
	e, err := enforcer.Open(enforcer.Options{Kernel: k, Dir: t.TempDir(), CutConnections: enforcer.Cutter(k, lab.server.FD())})
	if err != nil {
		t.Fatal(err)
	}
	v, err := e.Apply(t.Context(), enforcer.Request{Set: closed(policy.Enforce), Host: lab.host(nft.ModeHost), Established: enforcer.Cut})
	if err != nil {
		t.Fatal(err)
	}
	if v.CutConnections != 1 {
		t.Errorf("%d connections cut, want 1", v.CutConnections)
	}
	for try := range 2 { // the first write may still find its buffer open
		if alive(old) {
			t.Errorf("a connection that was never tracked lives on, try %d", try+1)
		}
	}
}
