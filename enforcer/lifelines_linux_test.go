package enforcer_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// lifeline is one packet to a host that lets nobody in but to udp/4000.
type lifeline struct {
	what           string
	client, server string
	from, to       uint16 // ports; ICMP type<<8|code in to
	proto          uint8
	fragmented     bool
	frame          net.HardwareAddr // nil for the host's own
	want           string
}

const (
	blockedHere = "blocked by closed/"
	passes      = "allowed"
)

var everybody = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// TestLifelines: what a host needs to live on a network reaches it although its
// policy blocks all else; and nothing else gets in by looking like it.
func TestLifelines(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	group := func(a string) net.HardwareAddr { return netlab.GroupFrame(netip.MustParseAddr(a)) }
	const peer4, host4, peer6, host6 = "10.7.0.1", "10.7.0.2", "fd07::1", "fd07::2"
	checkLifelines(t, newLifelineLab(t, host4, host6), []lifeline{
		{what: "a service the policy allows", client: peer4, server: host4, proto: flow.UDP, to: 4000, want: passes},
		{what: "another service", client: peer4, server: host4, proto: flow.UDP, to: 4001, want: blockedHere},
		{what: "ssh", client: peer4, server: host4, proto: flow.TCP, to: 22, want: blockedHere},
		{what: "ssh from the break-glass network", client: "10.99.0.5", server: host4, proto: flow.TCP, to: 22, want: passes},
		{what: "ssh by IPv6", client: peer6, server: host6, proto: flow.TCP, to: 22, want: blockedHere},
		{what: "echo", client: peer4, server: host4, proto: flow.ICMP, to: 0x0800, want: blockedHere},
		{what: "echo by IPv6", client: peer6, server: host6, proto: flow.ICMPv6, to: 0x8000, want: blockedHere},
		{what: "an SCTP association", client: peer4, server: host4, proto: flow.SCTP, to: 4000, want: blockedHere},

		{what: "fragmentation needed", client: peer4, server: host4, proto: flow.ICMP, to: 0x0304, want: passes},
		{what: "time exceeded", client: peer4, server: host4, proto: flow.ICMP, to: 0x0b00, want: passes},
		{what: "packet too big", client: peer6, server: host6, proto: flow.ICMPv6, to: 0x0200, want: passes},
		{what: "neighbour solicitation", client: peer6, server: host6, proto: flow.ICMPv6, to: 0x8700, want: passes},
		{what: "neighbour advertisement", client: peer6, server: host6, proto: flow.ICMPv6, to: 0x8800, want: passes},
		{what: "router advertisement to all", client: peer6, server: "ff02::1", proto: flow.ICMPv6, to: 0x8600, frame: group("ff02::1"), want: passes},
		{what: "a redirect over IPv4", client: peer4, server: host4, proto: flow.ICMP, to: 0x0501, want: blockedHere},

		{what: "a DHCP answer", client: peer4, server: host4, proto: flow.UDP, from: 67, to: 68, want: passes},
		{what: "a DHCP answer to everybody", client: peer4, server: "255.255.255.255", proto: flow.UDP, from: 67, to: 68, frame: everybody, want: passes},
		{what: "a DHCPv6 answer", client: peer6, server: host6, proto: flow.UDP, from: 547, to: 546, want: passes},
		{what: "a DHCP request", client: peer4, server: host4, proto: flow.UDP, from: 68, to: 67, want: blockedHere},

		{what: "multicast", client: peer4, server: "224.0.0.1", proto: flow.UDP, to: 5353, frame: group("224.0.0.1"), want: passes},
		{what: "multicast by IPv6", client: peer6, server: "ff02::1", proto: flow.UDP, to: 5353, frame: group("ff02::1"), want: passes},
		{what: "a membership query", client: peer4, server: "224.0.0.1", proto: flow.IGMP, frame: group("224.0.0.1"), want: passes},
		{what: "subnet broadcast", client: peer4, server: "10.7.0.255", proto: flow.UDP, to: 137, frame: everybody, want: passes},
		{what: "unicast in a broadcast frame", client: peer4, server: host4, proto: flow.UDP, to: 4001, frame: everybody, want: blockedHere},
		{what: "unicast in a multicast frame", client: peer6, server: host6, proto: flow.UDP, to: 4001, frame: group("ff02::1"), want: blockedHere},

		{what: "fragments to an allowed service", client: peer4, server: host4, proto: flow.UDP, to: 4000, fragmented: true, want: passes},
		{what: "fragments to another service", client: peer4, server: host4, proto: flow.UDP, to: 4001, fragmented: true, want: blockedHere},
		{what: "fragments by IPv6", client: peer6, server: host6, proto: flow.UDP, to: 4000, fragmented: true, want: passes},
		{what: "fragments to another service by IPv6", client: peer6, server: host6, proto: flow.UDP, to: 4001, fragmented: true, want: blockedHere},
	})
}

func newLifelineLab(t *testing.T, host4, host6 string) *hostLab {
	t.Helper()
	l := newHostLab(t)
	for _, a := range []string{host4 + "/24", host6 + "/64"} {
		l.serverSpace.Address(t, "eth0", a)
	}
	set := &policy.Set{
		AlwaysAllowed: policy.DefaultAlwaysAllowed(), BreakGlass: []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24")},
		Policies: []policy.Policy{{Name: "closed", Scope: policy.Select(topology.Labels{"role": "host"}), Stage: policy.Enforce, Egress: policy.EgressRestrict,
			Rules: []policy.Rule{{Name: "open", From: []policy.Peer{{Any: true}}, To: []policy.Peer{{Selector: policy.Select(topology.Labels{"role": "host"})}},
				Services: []policy.Service{{Proto: flow.UDP, From: 4000, To: 4000}}}}}},
	}
	host := nft.Host{Workloads: []nft.Workload{{ID: "h", Labels: topology.Labels{"role": "host"}, Addrs: []netip.Addr{netip.MustParseAddr(host4), netip.MustParseAddr(host6)}}}}
	l.serverRules = apply(t, l.serverKernel, set, host, "h")
	return l
}

// TestLifelinesOut: what a host needs of others it can still ask for.
func TestLifelinesOut(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	const host4, other4, host6, other6 = "192.168.77.2", "192.168.77.1", "fdff:77::2", "fdff:77::1"
	l := newHostLab(t)
	set := &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed(),
		Policies: []policy.Policy{{Name: "closed", Scope: policy.Select(topology.Labels{"role": "host"}), Stage: policy.Enforce, Egress: policy.EgressRestrict}}}
	host := nft.Host{Controllers: []netip.AddrPort{netip.MustParseAddrPort(other4 + ":8443"), netip.MustParseAddrPort("[" + other6 + "]:8443")},
		Workloads: []nft.Workload{{ID: "h", Labels: topology.Labels{"role": "host"}, Addrs: []netip.Addr{netip.MustParseAddr(host4), netip.MustParseAddr(host6)}}}}
	l.clientRules = apply(t, l.clientKernel, set, host, "h")
	cases := []lifeline{
		{what: "the controller", client: host4, server: other4, proto: flow.TCP, to: 8443, want: passes},
		{what: "the controller by IPv6", client: host6, server: other6, proto: flow.TCP, to: 8443, want: passes},
		{what: "another port of the controller", client: host4, server: other4, proto: flow.TCP, to: 22, want: blockedHere},
		{what: "a DHCP request", client: host4, server: other4, proto: flow.UDP, from: 68, to: 67, want: passes},
		{what: "a DHCPv6 request", client: host6, server: other6, proto: flow.UDP, from: 546, to: 547, want: passes},
		{what: "DNS, which no rule allows", client: host4, server: other4, proto: flow.UDP, to: 53, want: blockedHere},
		{what: "neighbour solicitation", client: host6, server: other6, proto: flow.ICMPv6, to: 0x8700, want: passes},
		{what: "unreachable", client: host4, server: other4, proto: flow.ICMP, to: 0x0303, want: passes},
		{what: "echo", client: host4, server: other4, proto: flow.ICMP, to: 0x0800, want: blockedHere},
		{what: "echo by IPv6", client: host6, server: other6, proto: flow.ICMPv6, to: 0x8000, want: blockedHere},
	}
	for i := range cases {
		p := netlab.Packet(cases[i].key(i), append(make([]byte, 16), numbered(i)...))
		if err := l.raw.Send(p); err != nil && !errors.Is(err, unix.EPERM) {
			t.Fatalf("%s: %v", cases[i].what, err)
		}
	}
	compareLifelines(t, cases, gather(t, []observed{{l.passed, nil}, {l.clientReports, &l.clientRules}}, len(cases)))
}

// TestLoopbackStays: a host that may talk to nobody still talks to itself, by
// loopback and by its own addresses.
func TestLoopbackStays(t *testing.T) {
	testenv.Need(t, "netns")
	d := newDrill(t)
	for _, a := range []string{"127.0.0.1:9001", "[::1]:9001", "10.7.0.2:9001"} {
		echo(t, d.victim, a)
	}
	apply(t, openKernel(t, d.victim), cutAll(), victim(), "v")
	for _, a := range []string{"127.0.0.1:9001", "[::1]:9001", "10.7.0.2:9001"} {
		if !reaches(d.victim, a) {
			t.Errorf("%s is not reached from the host itself", a)
		}
	}
	if lost := d.lost(); len(lost) != 3 {
		t.Errorf("lost %v, want everything else cut", lost)
	}
}

func checkLifelines(t *testing.T, l *hostLab, cases []lifeline) {
	t.Helper()
	wire := netlab.NewWire(t, l.clientSpace, "eth0", l.serverSpace, "eth0")
	for i, c := range cases {
		k := c.key(i)
		w := wire
		if c.frame != nil {
			w = wire.Frame(c.frame)
		}
		p := netlab.Packet(k, append(make([]byte, 16), numbered(i)...))
		parts := [][]byte{p}
		if c.fragmented {
			f := netlab.Fragments(p, 16, uint16(1000+i))
			parts = f[:]
		}
		for _, part := range parts {
			if err := w.Send(part); err != nil {
				t.Fatal(err)
			}
		}
	}
	compareLifelines(t, cases, gather(t, []observed{{l.passed, nil}, {l.serverReports, &l.serverRules}}, len(cases)))
}

func (c *lifeline) key(i int) flow.Key {
	k := flow.Key{Client: netip.MustParseAddr(c.client), Server: netip.MustParseAddr(c.server), Proto: c.proto, ClientPort: c.from, ServerPort: c.to}
	if k.ClientPort == 0 {
		k.ClientPort = uint16(20000 + i)
	}
	return k
}

func compareLifelines(t *testing.T, cases []lifeline, fates []fate) {
	t.Helper()
	for i, f := range fates {
		if got := f.String(); got != cases[i].want {
			t.Errorf("%s: %s, want %s", cases[i].what, got, cases[i].want)
		}
	}
}
