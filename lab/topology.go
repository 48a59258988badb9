package lab

import (
	"fmt"
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Topology describes a lab before it exists.
type Topology struct {
	Segments []string // each a broadcast domain behind the router
	// Tap is the segment that is captured and exported. "" captures what enters
	// the router from every segment, so that each packet is seen once, and exports
	// nothing.
	Tap      string
	Hosts    []HostSpec
	Calls    []Call
	Domain   string // of host names; "" means lab.example
	Resolver string // host whose dnsmasq all others ask; "" for none
}

// HostSpec describes one host.
type HostSpec struct {
	Name     string
	Segment  string
	Services []Service
	Labels   topology.Labels // for an inventory made of the lab
	// Outside says that the host is no workload: its segment is a named network.
	Outside bool
}

// Call is something a client does, with the edges it causes.
type Call struct {
	From, To string
	Service  flow.Service
	IPv6     bool
	// Command is run on From; it must exit 0 unless Refused.
	Command func(l *Lab, to *Host) []string
	// Resolves says that the command asks the resolver for To's address first.
	Resolves bool
	// Refused says that nothing listens: the command fails, and there is an
	// attempt instead of an edge.
	Refused bool
}

const (
	firstAddress   = 10
	networks4      = "198.18.0.0"
	networks6      = "fd42:c612::"
	defaultDomain  = "lab.example"
	routerAddress  = 1
	maximumSegment = 100
)

// prefix4 is the IPv4 network of a segment, 198.18.N.0/24 from N = 1.
func prefix4(segment int) netip.Prefix {
	b := netip.MustParseAddr(networks4).As4()
	b[2] = byte(segment + 1)
	return netip.PrefixFrom(netip.AddrFrom4(b), 24)
}

// prefix6 is the IPv6 network of a segment, fd42:c612:0:N::/64.
func prefix6(segment int) netip.Prefix {
	b := netip.MustParseAddr(networks6).As16()
	b[7] = byte(segment + 1)
	return netip.PrefixFrom(netip.AddrFrom16(b), 64)
}

// nth is the address with that host number in the network.
func nth(p netip.Prefix, n byte) netip.Addr {
	if p.Addr().Is4() {
		b := p.Addr().As4()
		b[3] = n
		return netip.AddrFrom4(b)
	}
	b := p.Addr().As16()
	b[15] = n
	return netip.AddrFrom16(b)
}

func (t *Topology) check() error {
	if len(t.Segments) == 0 || len(t.Segments) > maximumSegment {
		return fmt.Errorf("lab: %d segments, want 1 to %d", len(t.Segments), maximumSegment)
	}
	names := map[string]bool{}
	perSegment := map[string]int{}
	for _, h := range t.Hosts {
		if len(h.Name) == 0 || len(h.Name) > 12 || names[h.Name] {
			return fmt.Errorf("lab: host name %q is empty, taken or longer than 12", h.Name)
		}
		if t.segment(h.Segment) < 0 {
			return fmt.Errorf("lab: host %s: unknown segment %q", h.Name, h.Segment)
		}
		names[h.Name] = true
		if perSegment[h.Segment]++; perSegment[h.Segment] > 200 {
			return fmt.Errorf("lab: segment %s has more than 200 hosts", h.Segment)
		}
	}
	for _, c := range t.Calls {
		if !names[c.From] || !names[c.To] {
			return fmt.Errorf("lab: call from %q to %q: unknown host", c.From, c.To)
		}
	}
	if t.Tap != "" && t.segment(t.Tap) < 0 {
		return fmt.Errorf("lab: unknown tap segment %q", t.Tap)
	}
	if t.Resolver != "" && !names[t.Resolver] {
		return fmt.Errorf("lab: unknown resolver %q", t.Resolver)
	}
	return nil
}

func (t *Topology) segment(name string) int {
	for i, s := range t.Segments {
		if s == name {
			return i
		}
	}
	return -1
}
