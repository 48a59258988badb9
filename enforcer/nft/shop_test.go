package nft

import (
	"net/netip"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

func labels(kv ...string) topology.Labels {
	l := topology.Labels{}
	for i := 0; i < len(kv); i += 2 {
		l[kv[i]] = kv[i+1]
	}
	return l
}

func sel(kv ...string) policy.Peer { return policy.Peer{Selector: policy.Select(labels(kv...))} }

func tcp(from, to uint16) policy.Service {
	return policy.Service{Proto: flow.TCP, From: from, To: to}
}

func addrs(texts ...string) (out []netip.Addr) {
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// shop is a small estate: web → api → db, a monitor, an office, a vendor.
func shop(stage policy.Stage) (*policy.Set, Host) {
	set := &policy.Set{
		AlwaysAllowed: policy.DefaultAlwaysAllowed(),
		BreakGlass:    []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24")},
		Networks:      []topology.Network{{Name: "office", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.50.0.0/16")}}},
		Policies: []policy.Policy{{
			Name: "payments-prod", Scope: policy.Select(labels("app", "payments", "env", "prod")), Stage: stage, Egress: policy.EgressRestrict,
			Rules: []policy.Rule{
				{Name: "web-to-api", From: []policy.Peer{sel("role", "web")}, To: []policy.Peer{sel("role", "api")}, Services: []policy.Service{tcp(443, 443)}},
				{Name: "api-to-db", From: []policy.Peer{sel("role", "api")}, To: []policy.Peer{sel("role", "db")}, Services: []policy.Service{tcp(5432, 5432)}},
				{Name: "office-to-web", From: []policy.Peer{{Network: "office"}}, To: []policy.Peer{sel("role", "web")},
					Services: []policy.Service{tcp(443, 443), tcp(8000, 8010)}},
				{Name: "monitoring", From: []policy.Peer{sel("role", "monitor")}, To: []policy.Peer{sel()},
					Services: []policy.Service{tcp(9100, 9100), {Proto: flow.ICMP, From: 0x800, To: 0x8ff}}},
				{Name: "no-vendor", Action: policy.OverrideDeny, From: []policy.Peer{sel("role", "vendor")}, To: []policy.Peer{sel()}},
				{Name: "dns", From: []policy.Peer{sel()}, To: []policy.Peer{sel("role", "dns")},
					Services: []policy.Service{{Proto: flow.UDP, From: 53, To: 53}, tcp(53, 53)}},
			},
		}},
	}
	host := Host{Mode: ModeGateway, Workloads: []Workload{
		{ID: "web1", Labels: labels("role", "web", "app", "payments", "env", "prod"), Addrs: addrs("10.1.0.1", "fd00::1:1")},
		{ID: "web2", Labels: labels("role", "web", "app", "payments", "env", "prod"), Addrs: addrs("10.1.0.2")},
		{ID: "api1", Labels: labels("role", "api", "app", "payments", "env", "prod"), Addrs: addrs("10.1.1.1", "fd00::1:11")},
		{ID: "db1", Labels: labels("role", "db", "app", "payments", "env", "prod"), Addrs: addrs("10.1.2.1")},
		{ID: "mon", Labels: labels("role", "monitor"), Addrs: addrs("10.2.0.1", "fd00::2:1")},
		{ID: "dns", Labels: labels("role", "dns"), Addrs: addrs("10.2.0.53")},
		{ID: "hvac", Labels: labels("role", "vendor"), Addrs: addrs("10.50.1.1")},
	}}
	return set, host
}

func mustCompile(t testing.TB, set *policy.Set, h Host) Ruleset {
	t.Helper()
	r, err := Compile(set, h)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// examples are rulesets as they go into the kernel, and "text" ones as they are
// exported.
func examples(t testing.TB) map[string]Ruleset {
	out := map[string]Ruleset{}
	for _, stage := range []policy.Stage{policy.Monitor, policy.Enforce} {
		set, h := shop(stage)
		out["gateway-"+stage.String()] = mustCompile(t, set, h)
		h.Text = true
		out["text-gateway-"+stage.String()] = mustCompile(t, set, h)
		h.Mode, h.Self = ModeHost, []string{"api1"}
		out["text-host-"+stage.String()] = mustCompile(t, set, h)
		h.Text = false
		out["host-"+stage.String()] = mustCompile(t, set, h)
	}
	return out
}
