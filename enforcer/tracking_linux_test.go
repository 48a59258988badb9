package enforcer_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// TestTrackingLeavesNoTrace: tracking connections without a policy takes its own
// ruleset away again, and never a policy that came meanwhile.
func TestTrackingLeavesNoTrace(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	s := netlab.New(t)
	k := openKernel(t, s)
	end, err := enforcer.Track(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	if out := s.Run(t, "", "nft", "list", "ruleset"); !strings.Contains(out, "bulkhead") {
		t.Fatalf("no ruleset asks for tracking:\n%s", out)
	}
	if err := end(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out := s.Run(t, "", "nft", "list", "ruleset"); out != "" {
		t.Errorf("left behind:\n%s", out)
	}
	if end, err = enforcer.Track(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	r, err := nft.Compile(cutAll(), victim())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	again, err := enforcer.Track(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []func(context.Context) error{again, end} {
		if err := f(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if out := s.Run(t, "", "nft", "list", "ruleset"); !strings.Contains(out, "lock_out") && !strings.Contains(out, "lock-out") {
		t.Errorf("the policy is gone:\n%s", out)
	}
}

// TestAccountingIsPutBack: what is not counted on a host is counted while asked
// for, and the settings are as they were afterwards.
func TestAccountingIsPutBack(t *testing.T) {
	testenv.Need(t, "netns")
	s := netlab.New(t)
	end, err := enforcer.Track(t.Context(), openKernel(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer end(context.Background())
	const setting = "/proc/sys/net/netfilter/nf_conntrack_acct"
	read := func() string {
		b, err := os.ReadFile(setting)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	s.Sysctl(t, "netfilter/nf_conntrack_acct", "0")
	s.Do(func() {
		restore, err := enforcer.CountTraffic()
		if err != nil {
			t.Error(err)
			return
		}
		if got := read(); got != "1" {
			t.Errorf("counting is %s while asked for", got)
		}
		if err := restore(); err != nil {
			t.Error(err)
		}
		if got := read(); got != "0" {
			t.Errorf("counting is %s afterwards, want as it was", got)
		}
	})
}
