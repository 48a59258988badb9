package policy_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// The generators draw from few values, so that random rules meet random flows.

var (
	genKey     = rapid.SampledFrom([]string{"role", "app", "env", "network", "tier"})
	genValue   = rapid.SampledFrom([]string{"a", "b", "c", "*", "yes", "0x1", "it's \"quoted\"", "日本"})
	genPort    = rapid.SampledFrom([]uint16{0, 1, 22, 53, 443, 444, 1024, 2048, 65535})
	genDomain  = rapid.SampledFrom([]string{"x.example", "*.x.example", "*.example", "a.x.example"})
	genNetwork = rapid.SampledFrom([]string{"n1", "n2", policy.InternetName})
	genUnit    = rapid.SampledFrom([]string{"", "", "", "u.service", "v.service"})
	genAddr    = rapid.Custom(func(t *rapid.T) netip.Addr {
		return rapid.SampledFrom([]netip.Addr{
			netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.1.255"), netip.MustParseAddr("10.0.2.0"), netip.MustParseAddr("8.8.8.8"),
			netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("0.0.0.0"),
			netip.MustParseAddr("fd00::1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::1"),
			netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), netip.MustParseAddr("::ffff:10.0.0.1"),
		}).Draw(t, "addr")
	})
	genPrefix = rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := genAddr.Draw(t, "base").Unmap()
		bits := rapid.IntRange(0, a.BitLen()).Draw(t, "bits")
		return netip.PrefixFrom(a, bits).Masked()
	})
)

func genSelector(t *rapid.T) policy.Selector {
	s := policy.Selector{}
	seen := map[string]bool{}
	for range rapid.IntRange(0, 2).Draw(t, "requirements") {
		k := genKey.Draw(t, "key")
		if seen[k] {
			continue
		}
		seen[k] = true
		s = append(s, policy.Requirement{Key: k,
			In:  rapid.SliceOfNDistinct(genValue, 0, 2, rapid.ID).Draw(t, "in"),
			Not: rapid.SliceOfNDistinct(genValue, 0, 1, rapid.ID).Draw(t, "not")})
	}
	return s
}

func genPeer(t *rapid.T) policy.Peer {
	switch rapid.IntRange(0, 6).Draw(t, "peer") {
	case 0:
		return policy.Peer{Any: true}
	case 1:
		return policy.Peer{Network: genNetwork.Draw(t, "network")}
	case 2:
		return policy.Peer{Prefix: genPrefix.Draw(t, "prefix")}
	case 3:
		return policy.Peer{Domain: genDomain.Draw(t, "domain")}
	}
	return policy.Peer{Selector: genSelector(t)}
}

func genService(t *rapid.T) []policy.Service {
	switch rapid.IntRange(0, 4).Draw(t, "service") {
	case 0:
		s, _ := policy.ParseService(rapid.SampledFrom([]string{"dns", "ping", "https", "any", "icmp/3", "icmpv6/echo-request", "icmp/8/0", "gre"}).Draw(t, "named"))
		return s
	case 1:
		a, b := genPort.Draw(t, "from"), genPort.Draw(t, "to")
		return []policy.Service{{Proto: flow.TCP, From: min(a, b), To: max(a, b)}}
	}
	p := genPort.Draw(t, "port")
	return []policy.Service{{Proto: rapid.SampledFrom([]uint8{flow.TCP, flow.UDP}).Draw(t, "proto"), From: p, To: p}}
}

func genRule(t *rapid.T, name string) policy.Rule {
	r := policy.Rule{Name: name, Action: policy.Action(rapid.IntRange(0, 2).Draw(t, "action")), Process: genUnit.Draw(t, "unit"),
		Description: rapid.SampledFrom([]string{"", "plain", "quote \" and : colon", "# not a comment"}).Draw(t, "description")}
	for range rapid.IntRange(1, 2).Draw(t, "from") {
		r.From = append(r.From, genPeer(t))
	}
	for range rapid.IntRange(1, 2).Draw(t, "to") {
		r.To = append(r.To, genPeer(t))
	}
	for range rapid.IntRange(0, 2).Draw(t, "services") {
		r.Services = append(r.Services, genService(t)...)
	}
	return r
}

// genSet draws a valid set in normal form.
func genSet(t *rapid.T) *policy.Set {
	s := &policy.Set{Networks: []topology.Network{{Name: "n1"}, {Name: "n2", Domains: []string{"*.x.example"}}}}
	for i := range s.Networks {
		s.Networks[i].Prefixes = rapid.SliceOfN(genPrefix, 0, 2).Draw(t, "prefixes")
	}
	if rapid.Bool().Draw(t, "default exceptions") {
		s.AlwaysAllowed = policy.DefaultAlwaysAllowed()
	}
	s.BreakGlass = rapid.SliceOfN(genPrefix, 0, 1).Draw(t, "break-glass")
	for i := range rapid.IntRange(0, 4).Draw(t, "policies") {
		p := policy.Policy{Name: fmt.Sprint("p", i), Scope: genSelector(t),
			Stage:  policy.Stage(rapid.IntRange(0, 2).Draw(t, "stage")),
			Egress: policy.Egress(rapid.IntRange(0, 1).Draw(t, "egress"))}
		for j := range rapid.IntRange(0, 4).Draw(t, "rules") {
			p.Rules = append(p.Rules, genRule(t, fmt.Sprint("r", j)))
		}
		s.Policies = append(s.Policies, p)
	}
	return s.Normal()
}

func genParty(t *rapid.T) policy.Party {
	p := policy.Party{Addr: genAddr.Draw(t, "address"), Workload: rapid.Bool().Draw(t, "workload")}
	p.Labels = rapid.MapOfN(genKey, genValue, 0, 4).Draw(t, "labels")
	if rapid.IntRange(0, 3).Draw(t, "has domains") == 0 {
		p.Domains = rapid.SliceOfN(rapid.SampledFrom([]string{"x.example", "a.x.example", "a.b.X.example.", "y.example", "example", ".x.example"}), 1, 2).Draw(t, "domains")
	}
	if rapid.IntRange(0, 20).Draw(t, "no address") == 0 {
		p.Addr = netip.Addr{}
	}
	return p
}

func genFacts(t *rapid.T) policy.Facts {
	return policy.Facts{Client: genParty(t), Server: genParty(t), Process: genUnit.Draw(t, "process"), ClientProcess: genUnit.Draw(t, "client process"),
		Service: flow.Service{Proto: rapid.SampledFrom([]uint8{flow.TCP, flow.UDP, flow.ICMP, flow.ICMPv6, flow.GRE}).Draw(t, "proto"),
			Port: rapid.SampledFrom([]uint16{0, 1, 22, 53, 68, 443, 444, 445, 1024, 3<<8 | 4, 8 << 8, 128 << 8, 135 << 8, 65535}).Draw(t, "port")}}
}

func TestEvaluatorIsEvaluate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := genSet(t)
		fast := policy.NewEvaluator(set)
		for range 20 {
			f := genFacts(t)
			want := policy.Evaluate(set, f)
			if diff := cmp.Diff(want, fast.Evaluate(f)); diff != "" {
				t.Fatalf("facts %+v\nset:\n%s\n(-Evaluate +Evaluator):\n%s", f, policy.Format(set), diff)
			}
		}
	})
}

func TestMonitorNeverBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := genSet(t)
		for i := range set.Policies {
			set.Policies[i].Stage = min(set.Policies[i].Stage, policy.Monitor)
		}
		if v := policy.Evaluate(set, genFacts(t)); v.Outcome == policy.Blocked {
			t.Fatalf("blocked by %q", v.Policy)
		}
	})
}

func TestMonitorChangesNothingButTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, f := genSet(t), genFacts(t)
		without := *set
		without.Policies = nil
		for _, p := range set.Policies {
			if p.Stage != policy.Monitor {
				without.Policies = append(without.Policies, p)
			}
		}
		a, b := policy.Evaluate(set, f), policy.Evaluate(&without, f)
		if (a.Outcome == policy.Blocked) != (b.Outcome == policy.Blocked) {
			t.Fatalf("with the monitored policies %+v, without %+v", a, b)
		}
	})
}

func TestFormatParsesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := genSet(t)
		if set.AlwaysAllowed == nil {
			set.AlwaysAllowed = policy.DefaultAlwaysAllowed()
		}
		text := policy.Format(set)
		back, err := policy.Parse(text, "formatted.yaml")
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(set, back, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, text)
		}
		if again := policy.Format(back); !bytes.Equal(text, again) {
			t.Fatalf("formatting twice differs:\n%s\n%s", text, again)
		}
		if set.Hash() != back.Hash() {
			t.Fatal("the hash changed")
		}
	})
}
