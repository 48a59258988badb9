package enforcer_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// estate is a small random world: who is there, what the policies say, and which
// packets to try. The pools are small so that things collide.
type estate struct {
	r    *rand.Rand
	set  *policy.Set
	host nft.Host
}

func newEstate(seed uint64) *estate {
	e := &estate{r: rand.New(rand.NewPCG(seed, 1))}
	e.host.Networks = []topology.Network{
		{Name: "plant", Inside: true, Labels: topology.Labels{"role": "plc", "env": "prod"},
			Prefixes: []netip.Prefix{netip.MustParsePrefix("10.30.0.0/24"), netip.MustParsePrefix("fd30::/64")}},
		{Name: "office", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.40.0.0/16")}},
	}
	e.host.Domains = map[string][]netip.Addr{
		"api.example.com": {netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("2001:db8::5")},
		"db.example.org":  {netip.MustParseAddr("203.0.113.6"), netip.MustParseAddr("10.20.0.1")},
	}
	for i := range 4 + e.r.IntN(8) {
		w := nft.Workload{ID: fmt.Sprintf("w%d", i), Labels: e.labels()}
		w.Addrs = append(w.Addrs, e.unused(netip.AddrFrom4([4]byte{10, byte(20 + 10*e.r.IntN(3)), 0, byte(1 + e.r.IntN(40))})))
		if e.r.IntN(3) > 0 {
			a := netip.MustParseAddr([]string{"fd20::", "fd30::"}[e.r.IntN(2)]).As16()
			a[15] = byte(1 + e.r.IntN(40))
			w.Addrs = append(w.Addrs, e.unused(netip.AddrFrom16(a)))
		}
		for range max(0, e.r.IntN(8)-4) { // a few have many addresses
			a := e.unused(netip.AddrFrom4([4]byte{10, byte(20 + 10*e.r.IntN(3)), 1, byte(1 + e.r.IntN(40))}))
			if !slices.Contains(w.Addrs, a) {
				w.Addrs = append(w.Addrs, a)
			}
		}
		e.host.Workloads = append(e.host.Workloads, w)
	}
	e.policies()
	return e
}

// unused avoids addresses somebody holds.
func (e *estate) unused(a netip.Addr) netip.Addr {
	for slices.ContainsFunc(e.host.Workloads, func(w nft.Workload) bool { return slices.Contains(w.Addrs, a) }) {
		a = a.Next()
	}
	return a
}

var labelValues = map[string][]string{"role": {"web", "api", "db", "plc"}, "app": {"shop", "pay"}, "env": {"prod", "dev"}}

func (e *estate) labels() topology.Labels {
	l := topology.Labels{}
	for _, k := range []string{"role", "app", "env"} {
		if e.r.IntN(5) > 0 {
			l[k] = pick(e.r, labelValues[k])
		}
	}
	return l
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func (e *estate) policies() {
	e.set = &policy.Set{
		AlwaysAllowed: policy.DefaultAlwaysAllowed(),
		Networks: []topology.Network{
			{Name: "lab", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/27"), netip.MustParsePrefix("fd20::/123")}},
			{Name: "office", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.40.0.0/16")}},
			{Name: "saas", Domains: []string{"*.example.com"}, Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
		},
	}
	if e.r.IntN(3) == 0 {
		e.set.BreakGlass = []netip.Prefix{netip.MustParsePrefix("10.40.9.0/24"), netip.MustParsePrefix("10.20.0.4/30")}
	}
	if e.r.IntN(3) == 0 {
		e.set.AlwaysAllowed = append(e.set.AlwaysAllowed, policy.Exception{
			Name: "time", Direction: pick(e.r, []policy.Direction{policy.BothWays, policy.Inbound, policy.Outbound}),
			Services: []policy.Service{{Proto: flow.UDP, From: 123, To: 123}}, Networks: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/28")}})
	}
	for i := range 1 + e.r.IntN(3) {
		p := policy.Policy{
			Name: fmt.Sprintf("p%d", i), Scope: e.selector(),
			Stage:  pick(e.r, []policy.Stage{policy.Draft, policy.Monitor, policy.Enforce, policy.Enforce}),
			Egress: pick(e.r, []policy.Egress{policy.EgressAllow, policy.EgressRestrict}),
		}
		for j := range e.r.IntN(6) {
			p.Rules = append(p.Rules, policy.Rule{
				Name: fmt.Sprintf("r%d", j), From: e.peers(), To: e.peers(), Services: e.services(),
				Action: pick(e.r, []policy.Action{policy.Allow, policy.Allow, policy.Allow, policy.Deny, policy.OverrideDeny}),
			})
		}
		e.set.Policies = append(e.set.Policies, p)
	}
}

func (e *estate) selector() policy.Selector {
	s := policy.Selector{}
	for _, k := range []string{"role", "app", "env"} {
		switch e.r.IntN(6) {
		case 0, 1:
			s = append(s, policy.Requirement{Key: k, In: []string{pick(e.r, labelValues[k])}})
		case 2:
			s = append(s, policy.Requirement{Key: k, Not: []string{pick(e.r, labelValues[k])}})
		case 3:
			s = append(s, policy.Requirement{Key: k, In: labelValues[k][:2]})
		}
	}
	return s
}

func (e *estate) peers() (out []policy.Peer) {
	for range 1 + e.r.IntN(2) {
		switch e.r.IntN(9) {
		case 0:
			out = append(out, policy.Peer{Any: true})
		case 1:
			out = append(out, policy.Peer{Network: pick(e.r, []string{"lab", "office", "saas", policy.InternetName})})
		case 2:
			out = append(out, policy.Peer{Prefix: netip.MustParsePrefix(pick(e.r, []string{"10.20.0.0/28", "10.0.0.0/8", "fd20::/64", "10.30.0.7/32", "0.0.0.0/0", "::/0"}))})
		case 3:
			out = append(out, policy.Peer{Domain: pick(e.r, []string{"api.example.com", "*.example.org"})})
		default:
			out = append(out, policy.Peer{Selector: e.selector()})
		}
	}
	return out
}

func (e *estate) services() (out []policy.Service) {
	for range e.r.IntN(4) {
		out = append(out, pick(e.r, []policy.Service{
			{Proto: flow.TCP, From: 80, To: 80}, {Proto: flow.TCP, From: 443, To: 443}, {Proto: flow.TCP, From: 5432, To: 5432},
			{Proto: flow.TCP, From: 79, To: 443}, {Proto: flow.TCP, To: 65535}, {Proto: flow.UDP, From: 53, To: 53},
			{Proto: flow.UDP, From: 100, To: 65535}, {Proto: flow.ICMP, From: 0x800, To: 0x8ff}, {Proto: flow.ICMP, From: 0xd00, To: 0xd00},
			{Proto: flow.ICMPv6, From: 0x8000, To: 0x80ff}, {Proto: flow.ICMP, To: 65535}, {Proto: flow.SCTP, From: 2905, To: 2905},
			{Proto: flow.GRE, To: 65535}, {To: 65535},
		}))
	}
	return out
}

// address picks one of interest: held, unclaimed inside, named, outside.
func (e *estate) address(v6 bool) netip.Addr {
	for {
		a := netip.MustParseAddr(pick(e.r, []string{"10.30.0.200", "10.30.0.7", "10.40.1.1", "10.40.9.9", "203.0.113.5", "203.0.113.6",
			"198.51.100.7", "8.8.8.8", "10.20.0.250", "10.20.0.6", "fd30::200", "fd20::1d", "fd20::250", "2001:db8::5", "2a00::1"}))
		if e.r.IntN(4) > 0 {
			a = pick(e.r, pick(e.r, e.host.Workloads).Addrs)
		}
		if a.Is6() == v6 {
			return a
		}
	}
}

func (e *estate) service(v6 bool) flow.Service {
	s := pick(e.r, []flow.Service{
		{Proto: flow.TCP, Port: 80}, {Proto: flow.TCP, Port: 443}, {Proto: flow.TCP, Port: 5432}, {Proto: flow.TCP, Port: 22},
		{Proto: flow.TCP, Port: 78}, {Proto: flow.TCP, Port: 200}, {Proto: flow.TCP, Port: 65535}, {Proto: flow.UDP, Port: 53},
		{Proto: flow.UDP, Port: 123}, {Proto: flow.UDP, Port: 99}, {Proto: flow.UDP, Port: 67}, {Proto: flow.UDP, Port: 68},
		{Proto: flow.ICMP, Port: 0x800}, {Proto: flow.ICMP, Port: 0xd00}, {Proto: flow.ICMP, Port: 0x300}, {Proto: flow.SCTP, Port: 2905},
		{Proto: flow.SCTP, Port: 80}, {Proto: flow.GRE}, {Proto: 89},
	})
	if v6 && s.Proto == flow.ICMP {
		s = flow.Service{Proto: flow.ICMPv6, Port: pick(e.r, []uint16{0x8000, 0x8a00, 0x0100, 0x8600})}
	}
	return s
}

// party is who holds an address, as policy.Evaluate is to see it.
func (e *estate) party(a netip.Addr) policy.Party {
	p := policy.Party{Addr: a}
	for name, addrs := range e.host.Domains {
		if slices.Contains(addrs, a) {
			p.Domains = append(p.Domains, name)
		}
	}
	for i := range e.host.Workloads {
		if w := &e.host.Workloads[i]; slices.Contains(w.Addrs, a) {
			p.Workload, p.Labels = true, w.Labels
			return p
		}
	}
	for _, n := range e.host.Networks {
		if n.Inside && slices.ContainsFunc(n.Prefixes, func(q netip.Prefix) bool { return q.Contains(a) }) {
			p.Workload, p.Labels = true, n.Labels
		}
	}
	return p
}

func (e *estate) verdict(k flow.Key) policy.Verdict {
	return policy.Evaluate(e.set, policy.Facts{Client: e.party(k.Client), Server: e.party(k.Server), Service: k.Service()})
}
