package nft

import (
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// TestNoRuleOnTranslatedAddresses: virtual addresses, addresses of two address
// spaces and NAT networks get no silent rules.
func TestNoRuleOnTranslatedAddresses(t *testing.T) {
	set, h := shop(policy.Enforce)
	prod := func(role string) topology.Labels { return labels("role", role, "app", "payments", "env", "prod") }
	h.Workloads = append(h.Workloads,
		Workload{ID: "lb", Labels: prod("web"), Addrs: addrs("10.1.0.100"), Backends: []string{"web1", "web2"}},
		Workload{ID: "lab-a", Labels: prod("db"), Addrs: addrs("192.168.5.5", "10.1.2.9"), Scope: flow.VLANScope(0, 10)},
		Workload{ID: "lab-b", Labels: prod("db"), Addrs: addrs("192.168.5.5"), Scope: flow.VLANScope(0, 20)},
		Workload{ID: "other-vip", Labels: labels("role", "unnamed"), Addrs: addrs("10.1.0.101"), Backends: []string{"mon"}},
	)
	set.Networks[0].NAT = true
	for _, text := range []bool{false, true} {
		h.Text = text
		r := mustCompile(t, set, h)
		out := r.String()
		body := out[strings.Index(out, "table inet"):]
		for _, address := range []string{"10.1.0.100", "10.1.0.101", "192.168.5.5"} {
			if strings.Contains(body, address) {
				t.Errorf("text %v: a rule on %s", text, address)
			}
		}
		if !strings.Contains(body, "10.1.2.9") {
			t.Errorf("text %v: no rule on an address of one workload only", text)
		}
		all := strings.Join(r.Losses, "\n")
		for _, want := range []string{`"lb" is a virtual address (10.1.0.100)`, `address 192.168.5.5 of "lab-a"`, `address 192.168.5.5 of "lab-b"`, `network "office" is a NAT`} {
			if !strings.Contains(all, want) {
				t.Errorf("text %v: no loss %q in:\n%s", text, want, all)
			}
		}
		if len(h.Workloads) != 11 || len(h.Workloads[8].Addrs) != 2 {
			t.Errorf("Compile changed its host: %+v", h.Workloads)
		}
	}
}
