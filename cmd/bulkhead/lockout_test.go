package main

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// The session is known by what sshd said, and a policy that would end it is refused.
func TestEnforcingOverSSHKeepsTheSession(t *testing.T) {
	set, err := policy.Parse([]byte(`apiVersion: bulkhead/v1
kind: Policy
metadata: {name: db}
spec: {scope: {role: db}, stage: enforce, rules: [{name: web, from: [{role: web}], to: [{role: db}], services: [tcp/5432]}]}
`), "p")
	if err != nil {
		t.Fatal(err)
	}
	host := nft.Host{Workloads: []nft.Workload{{ID: "db1", Labels: topology.Labels{"role": "db"}, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}}}
	t.Setenv("SSH_CONNECTION", "192.0.2.7 50122 10.0.0.1 22")
	err = refuseLockout(nil, set, host)
	if !errors.Is(err, policy.ErrLockout) || !strings.Contains(err.Error(), "your SSH session from 192.0.2.7 (tcp/22) would be blocked") {
		t.Errorf("%v", err)
	}
	set.BreakGlass = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	if err := refuseLockout(nil, set, host); err != nil {
		t.Errorf("from a break-glass network: %v", err)
	}
	t.Setenv("SSH_CONNECTION", "nonsense 1 2 3")
	if _, _, ok := sshEnds(os.Getpid(), os.Getenv("SSH_CONNECTION")); ok {
		t.Error("nonsense was understood")
	}
	if c, s, ok := sshEnds(1, "2001:db8::7 50122 2001:db8::1 2222"); !ok || c.Port() != 50122 || s.Port() != 2222 {
		t.Errorf("%v %v %t", c, s, ok)
	}
}
