package bundle

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// TestSelectKeepsTheHostsJudgement: at the host's own end of any flow, what it was
// sent says what the whole estate says.
func TestSelectKeepsTheHostsJudgement(t *testing.T) {
	left := 0
	rapid.Check(t, func(t *rapid.T) {
		set, host := drawEstate(t)
		small, target := Select(set, host)
		left += len(host.Workloads) - len(target.Workloads)
		self := host.Workloads[0]
		for _, a := range probes(host) {
			if a == self.Addrs[0] {
				continue
			}
			svc := flow.Service{Proto: flow.TCP, Port: rapid.SampledFrom([]uint16{22, 80, 443}).Draw(t, "port")}
			for _, inbound := range []bool{true, false} {
				want := judge(set, host, self.Addrs[0], a, svc, inbound)
				got := judge(small, target, self.Addrs[0], a, svc, inbound)
				if got != want {
					t.Fatalf("%v %v inbound %v: %+v, want %+v", a, svc, inbound, got, want)
				}
			}
		}
	})
	if left == 0 {
		t.Error("nothing was ever left out: the test is blind")
	}
}

// judge evaluates one flow at self's end only: a label that nobody else has keeps
// the other end out of every scope.
func judge(set *policy.Set, host nft.Host, self, peer netip.Addr, svc flow.Service, inbound bool) policy.Verdict {
	one := *set
	one.Policies = slices.Clone(set.Policies)
	for i := range one.Policies {
		p := &one.Policies[i]
		p.Scope = append(slices.Clone(p.Scope), policy.Requirement{Key: "self", In: []string{"yes"}})
	}
	me := partyOf(host, self)
	me.Labels = me.Labels.Merge(topology.Labels{"self": "yes"})
	f := policy.Facts{Client: partyOf(host, peer), Server: me, Service: svc}
	if !inbound {
		f.Client, f.Server = me, f.Client
	}
	return policy.Evaluate(&one, f)
}

func partyOf(h nft.Host, a netip.Addr) policy.Party {
	for _, w := range h.Workloads {
		for _, b := range w.Addrs {
			if a == b {
				return policy.Party{Addr: a, Labels: w.Labels, Workload: true}
			}
		}
	}
	for _, n := range h.Networks {
		if n.Inside && n.Prefixes[0].Contains(a) {
			return policy.Party{Addr: a, Labels: n.Labels, Workload: true}
		}
	}
	return policy.Party{Addr: a}
}

func probes(h nft.Host) (out []netip.Addr) {
	for _, w := range h.Workloads {
		out = append(out, w.Addrs...)
	}
	return append(out, netip.MustParseAddr("10.1.0.200"), netip.MustParseAddr("10.2.0.200"), netip.MustParseAddr("8.8.8.8"))
}

func drawEstate(t *rapid.T) (*policy.Set, nft.Host) {
	labels := rapid.Custom(func(t *rapid.T) topology.Labels {
		l := topology.Labels{}
		for _, k := range []string{"role", "app"} {
			if v := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, k); v != "" {
				l[k] = v
			}
		}
		return l
	})
	selector := rapid.Custom(func(t *rapid.T) policy.Selector {
		s := policy.Select(labels.Draw(t, "selector"))
		if rapid.IntRange(0, 3).Draw(t, "not") == 0 {
			s = policy.Selector{{Key: "role", Not: []string{"a"}}}
		}
		return s
	})
	peer := rapid.Custom(func(t *rapid.T) policy.Peer {
		switch rapid.IntRange(0, 5).Draw(t, "peer") {
		case 0:
			return policy.Peer{Any: true}
		case 1:
			return policy.Peer{Prefix: netip.MustParsePrefix("10.1.0.0/25")}
		case 2:
			return policy.Peer{Network: "lab"}
		}
		return policy.Peer{Selector: selector.Draw(t, "selector")}
	})
	set := &policy.Set{Networks: []topology.Network{{Name: "lab", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/24")}},
		{Name: "unused", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.3.0.0/24")}}}}
	for i := range rapid.IntRange(1, 3).Draw(t, "policies") {
		p := policy.Policy{Name: fmt.Sprintf("p%d", i), Scope: selector.Draw(t, "scope"),
			Stage:  policy.Stage(rapid.IntRange(0, 2).Draw(t, "stage")),
			Egress: policy.Egress(rapid.IntRange(0, 1).Draw(t, "egress"))}
		for j := range rapid.IntRange(0, 3).Draw(t, "rules") {
			p.Rules = append(p.Rules, policy.Rule{Name: fmt.Sprintf("r%d", j), Action: policy.Action(rapid.IntRange(0, 2).Draw(t, "action")),
				From: []policy.Peer{peer.Draw(t, "from")}, To: []policy.Peer{peer.Draw(t, "to")},
				Services: []policy.Service{{Proto: flow.TCP, From: 80, To: 443}}})
		}
		set.Policies = append(set.Policies, p)
	}
	host := nft.Host{Self: []string{"w0"}}
	if rapid.Bool().Draw(t, "inside") {
		host.Networks = []topology.Network{{Name: "plant", Inside: true, Labels: topology.Labels{"role": "a"}, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/24")}}}
	}
	for i := range rapid.IntRange(1, 6).Draw(t, "workloads") {
		host.Workloads = append(host.Workloads, nft.Workload{ID: fmt.Sprintf("w%d", i), Labels: labels.Draw(t, "labels"),
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(1 + i%2), 0, byte(i + 1)})}})
	}
	return set, host
}
