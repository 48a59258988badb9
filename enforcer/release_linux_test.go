package enforcer_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
)

// TestReleaseLeavesTheHostAsFound: after a life of changes, a rollback, tampering and
// a cut, release leaves every ruleset, route, rule and network setting of the host
// as it was, and the journal says who did it and why.
func TestReleaseLeavesTheHostAsFound(t *testing.T) {
	testenv.Need(t, "netns", "nft", "ip")
	d := newDrill(t)
	d.victim.Run(t, "table inet docker { chain c { type filter hook input priority 5; tcp dport 9 drop; }; set s { type ipv4_addr; elements = { 10.0.0.1 }; }; }", "nft", "-f", "-")
	before := inspect(t, d.victim)
	k := openKernel(t, d.victim)
	e, err := enforcer.Open(enforcer.Options{Kernel: k, Dir: t.TempDir(), Author: "ann", CutConnections: enforcer.Cutter(k, d.victim.FD())})
	if err != nil {
		t.Fatal(err)
	}
	apply := func(set *policy.Set) {
		t.Helper()
		v, err := e.Apply(t.Context(), enforcer.Request{Set: set, Host: victim(), Author: "ann", Established: enforcer.Cut})
		if err == nil && !v.Deadline.IsZero() {
			err = e.Confirm(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	apply(cutAll().AtStage(policy.Monitor))
	c, err := dial(d.operator, "10.7.0.2:22", gate)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	apply(cutAll())
	d.victim.Run(t, "", "nft", "delete table inet bulkhead")
	if err := e.Guard(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Rollback(t.Context(), 0, "drill"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, inspect(t, d.victim)); diff == "" {
		t.Fatal("a policy in force is not seen: the inspection looks at nothing")
	}
	if err := e.Release(t.Context(), "the host is given back"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, inspect(t, d.victim)); diff != "" {
		t.Errorf("the host is not as found (-before +after):\n%s", diff)
	}
	if o, err := k.Owner(); err != nil || o != (nft.Ownership{}) {
		t.Errorf("ownership after release: %+v, %v", o, err)
	}
	steps, err := e.Journal()
	if err != nil {
		t.Fatal(err)
	}
	last := steps[len(steps)-1]
	if last.Event != "released" || last.Author != "ann" || last.Detail != "the host is given back" {
		t.Errorf("the journal ends with %+v", last)
	}
}

// inspect reads everything of a host's network that enforcing could leave behind.
func inspect(t *testing.T, s *netlab.Space) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, command := range []string{"nft list ruleset", "ip rule", "ip route show table all", "ip addr", "ip -6 rule"} {
		w := strings.Fields(command)
		out[command] = stable(s.Run(t, "", w[0], w[1:]...))
	}
	s.Do(func() {
		err := filepath.WalkDir("/proc/sys/net", func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasSuffix(path, "_count") || strings.HasSuffix(path, "_buckets") {
				return nil
			}
			if text, err := os.ReadFile(path); err == nil { // some can only be written
				out[path] = string(text)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	return out
}

// stable leaves out what counts by itself: lifetimes of addresses and routes.
func stable(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if !strings.Contains(line, "valid_lft") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
