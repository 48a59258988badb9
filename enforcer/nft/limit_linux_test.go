package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/bulkhead/bulkhead/policy"
)

// everybody makes an estate of many small applications, each of which anybody may
// use: the widest policies there are.
func everybody(apps int) (*policy.Set, Host) {
	set := &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed()}
	host := Host{Mode: ModeGateway}
	for app := range apps {
		name := fmt.Sprintf("app%04d", app)
		for i, role := range []string{"web", "api", "db", "cache", "batch"} {
			n := app*5 + i
			host.Workloads = append(host.Workloads, Workload{ID: name + role, Labels: labels("app", name, "role", role, "env", []string{"prod", "dev"}[app%2]),
				Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}})
		}
		set.Policies = append(set.Policies, policy.Policy{Name: name, Stage: policy.Enforce, Scope: policy.Select(labels("app", name)), Egress: policy.EgressRestrict,
			Rules: []policy.Rule{
				{Name: "own", From: []policy.Peer{sel("app", name)}, To: []policy.Peer{sel("app", name)}},
				{Name: "users", From: []policy.Peer{sel()}, To: []policy.Peer{sel("app", name, "role", "web")}, Services: []policy.Service{tcp(443, 443)}},
				{Name: "scrape", From: []policy.Peer{sel("env", "prod")}, To: []policy.Peer{sel("app", name)}, Services: []policy.Service{tcp(9100, 9100)}},
				{Name: "use", From: []policy.Peer{sel("app", name)}, To: []policy.Peer{sel("role", "web"), sel("env", "prod")}, Services: []policy.Service{tcp(443, 443)}},
			}})
	}
	return set, host
}

// TestEverybodyToEverybody: rules from everybody to everybody, in many groups, stay
// small; spelled out they would be millions of elements.
func TestEverybodyToEverybody(t *testing.T) {
	set, h := everybody(1000)
	r := mustCompile(t, set, h)
	if n := r.Elements(); n > 20*len(h.Workloads) {
		t.Errorf("%d elements for %d workloads", n, len(h.Workloads))
	}
	if n := len(r.Names); n < 5000 {
		t.Errorf("%d identities and circles in words, want every label set's", n)
	}
}

// TestTooLargeIsAnError: in text addresses multiply; a rule from everybody to
// everybody, in many groups, is refused rather than compiled into tens of millions
// of elements.
func TestTooLargeIsAnError(t *testing.T) {
	set, h := many(100_000)
	for i := range set.Policies { // every application may be used by all workloads
		set.Policies[i].Rules[2].From = []policy.Peer{{Selector: policy.Selector{}}}
	}
	mustCompile(t, set, h)
	h.Text = true
	if _, err := Compile(set, h); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("Compile = %v, want %v", err, ErrTooLarge)
	}
}
