package flow

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Service is what a server offers: a protocol and a port. For ICMP and ICMPv6
// the port is type<<8|code.
type Service struct {
	Proto uint8
	Port  uint16
}

// ProtoName returns the keyword for an IANA protocol number, or the number.
func ProtoName(p uint8) string {
	switch p {
	case ICMP:
		return "icmp"
	case IGMP:
		return "igmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case GRE:
		return "gre"
	case 50:
		return "esp"
	case 51:
		return "ah"
	case ICMPv6:
		return "icmpv6"
	case 89:
		return "ospf"
	case 112:
		return "vrrp"
	case SCTP:
		return "sctp"
	}
	return strconv.Itoa(int(p))
}

// ParseProto is the inverse of ProtoName; it takes numbers too.
func ParseProto(s string) (uint8, error) {
	for _, p := range []uint8{ICMP, IGMP, TCP, UDP, GRE, 50, 51, ICMPv6, 89, 112, SCTP} {
		if strings.EqualFold(ProtoName(p), s) {
			return p, nil
		}
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("unknown protocol %q", s)
	}
	return uint8(n), nil
}

// HasPorts reports whether the protocol has port numbers.
func HasPorts(proto uint8) bool {
	return proto == TCP || proto == UDP || proto == SCTP || proto == 33 || proto == 136
}

// String gives "tcp/443", "icmp/8/0" (type/code) or the bare protocol.
func (s Service) String() string {
	switch {
	case s.Proto == ICMP || s.Proto == ICMPv6:
		return fmt.Sprintf("%s/%d/%d", ProtoName(s.Proto), s.Port>>8, s.Port&0xff)
	case HasPorts(s.Proto):
		return ProtoName(s.Proto) + "/" + strconv.Itoa(int(s.Port))
	}
	return ProtoName(s.Proto)
}

// Compare orders services by protocol, then port.
func (s Service) Compare(o Service) int {
	if s.Proto != o.Proto {
		return int(s.Proto) - int(o.Proto)
	}
	return int(s.Port) - int(o.Port)
}

// Party is one end of an edge: the address, and the workload that held it while
// the traffic was seen (topology.WorkloadKey; 0 when the inventory knew none).
type Party struct {
	Addr     netip.Addr
	Scope    Scope
	Workload uint64
}

// Edge is established service aggregated over a window: who used what of whom,
// how much, how often. Stores fill it; it is never built from probes.
type Edge struct {
	Client, Server Party
	Service        Service
	EdgeStats
}

// EdgeStats is what an aggregate knows of the flows behind it.
type EdgeStats struct {
	Flows      uint64   `json:"flows"`   // flows, splits counted once
	Packets    uint64   `json:"packets"` // both directions
	Bytes      uint64   `json:"bytes"`   // both directions, layer 3
	First      Time     `json:"first"`
	Last       Time     `json:"last"`
	Days       uint32   `json:"days"`       // distinct UTC days with at least one flow
	Hours      uint32   `json:"hours"`      // distinct UTC hours with at least one flow
	Evidence   Evidence `json:"evidence"`   // strongest evidence of direction seen
	Confidence uint8    `json:"confidence"` // mean direction confidence, weighted by flows, 0..100
	Sensors    uint32   `json:"sensors"`    // distinct observation points
}

// Merge adds o's observations to s. Days, Hours and Sensors cannot be united
// without the sets behind them: the larger is kept, which is a lower bound.
func (s *EdgeStats) Merge(o EdgeStats) {
	if s.Flows+o.Flows > 0 {
		s.Confidence = uint8((uint64(s.Confidence)*s.Flows + uint64(o.Confidence)*o.Flows) / (s.Flows + o.Flows))
	}
	s.Flows += o.Flows
	s.Packets += o.Packets
	s.Bytes += o.Bytes
	if s.First == 0 || (o.First != 0 && o.First < s.First) {
		s.First = o.First
	}
	s.Last = max(s.Last, o.Last)
	s.Days = max(s.Days, o.Days)
	s.Hours = max(s.Hours, o.Hours)
	s.Evidence = max(s.Evidence, o.Evidence)
	s.Sensors = max(s.Sensors, o.Sensors)
}

// Probe is refused, unanswered or denied traffic aggregated over a window.
type Probe struct {
	Client, Server Party
	Service        Service
	Outcome        Outcome
	Attempts       uint64
	Targets        uint64 // distinct server address and port pairs folded in; 1 when not folded
	First, Last    Time
}

// NameKind says where a name was seen.
type NameKind uint8

const (
	NameUnknown NameKind = iota
	NameDNS              // A, AAAA or CNAME answer
	NamePTR
	NameSNI  // TLS server_name
	NameHTTP // Host header
	NameDHCP // option 12 or 81
	NameNetBIOS
	NameMDNS
	NameKerberos // the realm whose tickets the address gives out
	NameLDAP     // what a directory server calls itself
	NameDomain   // the domain whose directory the address serves
)

var nameKinds = [...]string{"unknown", "dns", "ptr", "sni", "http", "dhcp", "netbios", "mdns", "kerberos", "ldap", "domain"}

// Directory reports whether the name is that of a realm or domain which the address
// serves, and not one of the address.
func (k NameKind) Directory() bool { return k == NameKerberos || k == NameDomain }

func (k NameKind) String() string { return name(nameKinds[:], int(k)) }

// Name is an observation that an address went by a name. Names come from the
// wire: they are hostile until escaped, at most 253 bytes, lower case, without a
// trailing dot.
type Name struct {
	Addr        netip.Addr
	Scope       Scope
	Name        string
	Kind        NameKind
	First, Last Time
	Count       uint64
	Sensor      string
}
