package enforcer_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// wideEstate has many small applications with rules from and to nearly everybody,
// so that the compiler serves peers by circles.
func wideEstate(seed uint64, apps int) *estate {
	e := newEstate(seed) // for its networks, names and randomness
	e.host.Workloads, e.set.Policies = nil, nil
	for app := range apps {
		name := fmt.Sprintf("a%03d", app)
		for i, role := range []string{"web", "db"} {
			l := topology.Labels{"app": name, "role": role, "env": labelValues["env"][app%2]}
			w := nft.Workload{ID: name + role, Labels: l, Addrs: []netip.Addr{
				netip.AddrFrom4([4]byte{10, byte(20 + 10*(app%3)), byte(app), byte(10 + i)}),
				netip.AddrFrom16([16]byte{0xfd, 0x20, 14: byte(app), 15: byte(10 + i)}),
			}}
			e.host.Workloads = append(e.host.Workloads, w)
		}
		e.set.Policies = append(e.set.Policies, e.widePolicy(name))
	}
	return e
}

func (e *estate) widePolicy(app string) policy.Policy {
	sel := func(kv ...string) policy.Peer {
		l := topology.Labels{}
		for i := 0; i < len(kv); i += 2 {
			l[kv[i]] = kv[i+1]
		}
		return policy.Peer{Selector: policy.Select(l)}
	}
	wide := func() []policy.Peer {
		return []policy.Peer{pick(e.r, []policy.Peer{sel(), sel(), sel("env", "prod"), sel("role", "web"), {Network: "office"}, {Selector: e.selector()}})}
	}
	p := policy.Policy{Name: app, Scope: policy.Select(topology.Labels{"app": app}),
		Stage:  pick(e.r, []policy.Stage{policy.Monitor, policy.Enforce, policy.Enforce}),
		Egress: pick(e.r, []policy.Egress{policy.EgressAllow, policy.EgressRestrict})}
	tcp := func(port uint16) []policy.Service {
		return []policy.Service{{Proto: flow.TCP, From: port, To: port}}
	}
	p.Rules = []policy.Rule{
		{Name: "own", From: []policy.Peer{sel("app", app)}, To: []policy.Peer{sel("app", app)}},
		{Name: "in", From: wide(), To: []policy.Peer{sel("app", app)}, Services: tcp(443)},
		{Name: "out", From: []policy.Peer{sel("app", app)}, To: wide(), Services: tcp(443)},
		{Name: "more", From: wide(), To: wide(), Services: e.services(),
			Action: pick(e.r, []policy.Action{policy.Allow, policy.Deny, policy.OverrideDeny})},
	}
	return p
}

// TestWidePoliciesAgreeWithEvaluate: where identities multiply, circles say the same.
func TestWidePoliciesAgreeWithEvaluate(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	rulesets, packets := 6, 600
	if testing.Short() {
		rulesets = 2
	}
	g := newGatewayLab(t)
	tally, circles := tally{}, 0
	for seed := range uint64(rulesets) {
		e := wideEstate(9000+seed, 110)
		e.host.Mode = nft.ModeGateway
		r, err := nft.Compile(e.set, e.host)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, name := range []string{"in_circle_services", "in_circle_peers", "out_circle_services", "out_circle_peers"} {
			if s, ok := r.Set(name); ok {
				circles += len(s.Elems)
			}
		}
		if _, err := g.kernel.Apply(t.Context(), r); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		keys := make([]flow.Key, packets)
		for i := range keys {
			v6 := e.r.IntN(3) == 0
			svc := e.service(v6)
			keys[i] = flow.Key{Client: e.address(v6), Server: e.address(v6), ClientPort: uint16(20000 + i), ServerPort: svc.Port, Proto: svc.Proto}
		}
		fates := g.send(t, &r, keys)
		if fates == nil {
			t.FailNow()
		}
		tally.compare(t, e, keys, fates)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	tally.report(t)
	if circles == 0 {
		t.Error("no ruleset has circles: the test is blind to them")
	}
	t.Logf("%d elements about circles", circles)
}
