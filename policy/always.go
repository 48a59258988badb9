package policy

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Names of the exceptions without which a host loses its network whatever the
// rules say. A set that leaves one out is refused by Validate.
const (
	ExceptionLoopback   = "loopback"
	ExceptionNeighbour  = "neighbour-discovery"
	ExceptionICMPErrors = "icmp-errors"
)

// Stateful is what every enforcement point allows besides the exceptions: it is
// about packets, not flows, so Evaluate never sees it.
const Stateful = "established: replies to and packets of connections that were allowed, and the errors related to them"

// DefaultAlwaysAllowed is the list that holds when the documents give none.
func DefaultAlwaysAllowed() []Exception {
	return []Exception{
		{Name: "dhcp-client", Direction: Outbound, Services: []Service{port(flow.UDP, 67), port(flow.UDP, 547)},
			Why: "a host must be able to obtain its address (RFC 2131, RFC 8415)"},
		{Name: "dhcp-client-answers", Direction: Inbound, Services: []Service{port(flow.UDP, 68), port(flow.UDP, 546)},
			Why: "a DHCP server's answer may come from an address the client never asked (RFC 2131 §4.1)"},
		{Name: ExceptionICMPErrors, Services: []Service{icmp(flow.ICMP, 3), icmp(flow.ICMP, 11), icmp(flow.ICMP, 12),
			{Proto: flow.ICMPv6, From: 1 << 8, To: 4<<8 | 0xff}},
			Why: "path MTU discovery and unreachability need them (RFC 1191, RFC 4890 §4.3.1)"},
		{Name: ExceptionLoopback, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
			Why: "a host talking to itself does not cross a segment"},
		{Name: "multicast-membership", Services: []Service{{Proto: flow.IGMP, To: 65535},
			{Proto: flow.ICMPv6, From: 130 << 8, To: 132<<8 | 0xff}, icmp(flow.ICMPv6, 143)},
			Why: "switches that snoop memberships would cut neighbour discovery and cluster heartbeats (RFC 3376, RFC 3810)"},
		{Name: ExceptionNeighbour, Services: []Service{{Proto: flow.ICMPv6, From: 133 << 8, To: 137<<8 | 0xff}},
			Why: "IPv6 does not work without it (RFC 4861, RFC 4890 §4.4.1)"},
	}
}

func port(proto uint8, p uint16) Service { return Service{Proto: proto, From: p, To: p} }

// icmp is every code of one ICMP type.
func icmp(proto, kind uint8) Service {
	return Service{Proto: proto, From: uint16(kind) << 8, To: uint16(kind)<<8 | 0xff}
}

// InternetName is the built-in network of all public addresses.
const InternetName = "internet"

// Internet is what the network name "internet" means unless a set defines it
// otherwise: every unicast address that is not reserved for private or special
// use (IANA special-purpose registries, RFC 6890). It matches by address like
// any network, workloads with public addresses included.
func Internet() topology.Network {
	n := topology.Network{Name: InternetName}
	for _, p := range internetPrefixes {
		n.Prefixes = append(n.Prefixes, netip.MustParsePrefix(p))
	}
	return n
}

// internetPrefixes is the complement, within unicast IPv4 and the allocated IPv6
// unicast block 2000::/3, of 0/8, 10/8, 100.64/10, 127/8, 169.254/16, 172.16/12,
// 192.168/16, 224/3; TestInternetIsTheComplement derives it.
var internetPrefixes = []string{
	"1.0.0.0/8", "2.0.0.0/7", "4.0.0.0/6", "8.0.0.0/7", "11.0.0.0/8", "12.0.0.0/6", "16.0.0.0/4",
	"32.0.0.0/3", "64.0.0.0/3", "96.0.0.0/6", "100.0.0.0/10", "100.128.0.0/9", "101.0.0.0/8", "102.0.0.0/7",
	"104.0.0.0/5", "112.0.0.0/5", "120.0.0.0/6", "124.0.0.0/7", "126.0.0.0/8", "128.0.0.0/3", "160.0.0.0/5",
	"168.0.0.0/8", "169.0.0.0/9", "169.128.0.0/10", "169.192.0.0/11", "169.224.0.0/12", "169.240.0.0/13",
	"169.248.0.0/14", "169.252.0.0/15", "169.255.0.0/16", "170.0.0.0/7", "172.0.0.0/12", "172.32.0.0/11",
	"172.64.0.0/10", "172.128.0.0/9", "173.0.0.0/8", "174.0.0.0/7", "176.0.0.0/4", "192.0.0.0/9",
	"192.128.0.0/11", "192.160.0.0/13", "192.169.0.0/16", "192.170.0.0/15", "192.172.0.0/14", "192.176.0.0/12",
	"192.192.0.0/10", "193.0.0.0/8", "194.0.0.0/7", "196.0.0.0/6", "200.0.0.0/5", "208.0.0.0/4",
	"2000::/3",
}

// Network returns the named network: the set's own, or the built-in "internet".
// Nil when there is none.
func (s *Set) Network(name string) *topology.Network {
	for i := range s.Networks {
		if s.Networks[i].Name == name {
			return &s.Networks[i]
		}
	}
	if name == InternetName {
		n := Internet()
		return &n
	}
	return nil
}
