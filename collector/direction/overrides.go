package direction

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// PortRange names ports that are always a server's, whatever the traffic seems
// to say. Proto 0 means any protocol with ports.
type PortRange struct {
	Proto    uint8
	From, To uint16 // inclusive
}

func (p PortRange) contains(proto uint8, port uint16) bool {
	return (p.Proto == 0 || p.Proto == proto) && p.From <= port && port <= p.To
}

// Overrides are what the operator knows. Where they contradict each other, a
// named server address wins over a named client address, and both over ports; an
// override that speaks for both ends alike decides nothing.
type Overrides struct {
	ServerPorts []PortRange
	// Servers never open connections, Clients never accept them.
	Servers, Clients []netip.Prefix
}

func (o *Overrides) decide(f Flow) (Verdict, bool) {
	if len(o.ServerPorts)+len(o.Servers)+len(o.Clients) == 0 {
		return Verdict{}, false
	}
	sure := func(clientIsA bool) (Verdict, bool) {
		return Verdict{ClientIsA: clientIsA, Evidence: flow.EvidenceOverride, Confidence: confidenceOverride}, true
	}
	if a, b := within(o.Servers, f.A.Addr), within(o.Servers, f.B.Addr); a != b {
		return sure(b)
	}
	if a, b := within(o.Clients, f.A.Addr), within(o.Clients, f.B.Addr); a != b {
		return sure(a)
	}
	if a, b := o.serves(f.Proto, f.A.Port), o.serves(f.Proto, f.B.Port); a != b {
		return sure(b)
	}
	return Verdict{}, false
}

func (o *Overrides) serves(proto uint8, port uint16) bool {
	if !flow.HasPorts(proto) {
		return false
	}
	for _, r := range o.ServerPorts {
		if r.contains(proto, port) {
			return true
		}
	}
	return false
}

func within(ps []netip.Prefix, a netip.Addr) bool {
	for _, p := range ps {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
