package policy_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

const lockoutBase = `apiVersion: bulkhead/v1
kind: BreakGlass
spec: {networks: [192.0.2.0/24]}
---
apiVersion: bulkhead/v1
kind: Policy
metadata: {name: db}
spec:
  scope: {role: db}
  stage: enforce
  rules:
  - {name: jump, from: [{role: jump}], to: [{role: db}], services: [ssh]}
`

// What is refused, and what is not: each row edits the set in force, and somebody
// works on a database over SSH from the address.
var lockoutRows = []struct {
	name, old, new, from string
	want                 string // part of the error; "" for none
}{
	{"nothing changes", "", "", "192.0.2.7", ""},
	{"from a jump host", "", "", "10.0.0.9", ""},
	{"from elsewhere", "", "", "10.0.0.50", "your session (tcp/22) would be blocked"},
	{"break-glass removed under them", "networks: [192.0.2.0/24]", "networks: [198.51.100.0/24]", "192.0.2.7", "your session (tcp/22) would be blocked"},
	{"break-glass removed", "networks: [192.0.2.0/24]", "networks: [198.51.100.0/24]", "10.0.0.9", "break-glass networks would be gone: 192.0.2.0/24"},
	{"break-glass narrowed", "192.0.2.0/24", "192.0.2.0/25", "10.0.0.9", "break-glass networks would be gone: 192.0.2.0/24"},
	{"break-glass widened", "192.0.2.0/24", "192.0.0.0/16", "192.0.2.7", ""},
	{"the rule removed", "services: [ssh]", "services: [tcp/5432]", "10.0.0.9", "your session (tcp/22) would be blocked: no rule of policy \"db\""},
	{"denied whatever else", "services: [ssh]", "services: [ssh], action: override-deny", "10.0.0.9", "rule \"jump\""},
	{"only monitored", "stage: enforce", "stage: monitor", "10.0.0.50", ""},
}

func TestLockoutIsRefused(t *testing.T) {
	now, err := policy.Parse([]byte(lockoutBase), "now")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range lockoutRows {
		set, err := policy.Parse([]byte(strings.Replace(lockoutBase, c.old, c.new, 1)), c.name)
		if err != nil {
			t.Fatal(err)
		}
		client := policy.Party{Addr: netip.MustParseAddr(c.from)}
		if c.from == "10.0.0.9" {
			client.Workload, client.Labels = true, topology.Labels{"role": "jump"}
		}
		err = policy.CheckLockout(now, set, []policy.Session{{What: "your session", Client: client, Service: flow.Service{Proto: flow.TCP, Port: 22},
			Server: policy.Party{Addr: netip.MustParseAddr("10.0.0.1"), Workload: true, Labels: topology.Labels{"role": "db"}}}})
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, policy.ErrLockout) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
