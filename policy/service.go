package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/strictyaml"
)

// namedServices are the names rules may be written with (IANA Service Name and
// Port Number Registry). A name that stands for several protocols expands to
// several Services that carry it.
var namedServices = map[string][]Service{
	"dns":        {port(flow.TCP, 53), port(flow.UDP, 53)},
	"ftp":        {port(flow.TCP, 21)},
	"http":       {port(flow.TCP, 80)},
	"https":      {port(flow.TCP, 443)},
	"imaps":      {port(flow.TCP, 993)},
	"kerberos":   {port(flow.TCP, 88), port(flow.UDP, 88)},
	"ldap":       {port(flow.TCP, 389), port(flow.UDP, 389)},
	"ldaps":      {port(flow.TCP, 636)},
	"mssql":      {port(flow.TCP, 1433)},
	"mysql":      {port(flow.TCP, 3306)},
	"ntp":        {port(flow.UDP, 123)},
	"oracle":     {port(flow.TCP, 1521)},
	"ping":       {icmp(flow.ICMP, 8), icmp(flow.ICMPv6, 128)},
	"postgresql": {port(flow.TCP, 5432)},
	"rdp":        {port(flow.TCP, 3389), port(flow.UDP, 3389)},
	"redis":      {port(flow.TCP, 6379)},
	"smb":        {port(flow.TCP, 445)},
	"smtp":       {port(flow.TCP, 25)},
	"snmp":       {port(flow.UDP, 161)},
	"ssh":        {port(flow.TCP, 22)},
	"syslog":     {port(flow.TCP, 514), port(flow.UDP, 514)},
	"winrm":      {{Proto: flow.TCP, From: 5985, To: 5986}},
}

// icmpTypes are the words for ICMP and ICMPv6 types (IANA "Type Numbers").
var icmpTypes = map[uint8]map[string]uint8{
	flow.ICMP: {"echo-reply": 0, "destination-unreachable": 3, "redirect": 5, "echo-request": 8,
		"router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
		"timestamp-request": 13, "timestamp-reply": 14},
	flow.ICMPv6: {"destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
		"echo-request": 128, "echo-reply": 129, "router-solicitation": 133, "router-advertisement": 134,
		"neighbour-solicitation": 135, "neighbour-advertisement": 136},
}

// ServiceOf is the rule's form of exactly one observed service.
func ServiceOf(s flow.Service) Service {
	if s.Proto == flow.ICMP || s.Proto == flow.ICMPv6 || flow.HasPorts(s.Proto) {
		return Service{Proto: s.Proto, From: s.Port, To: s.Port}
	}
	return Service{Proto: s.Proto, To: 65535}
}

// ParseService reads one entry of a rule's services: "tcp/443", "udp/1024-2048",
// "tcp" (all ports), "icmp/echo-request", "icmp/8/0", "any", or a name such as
// "dns", which may stand for several.
func ParseService(text string) ([]Service, error) {
	word := strings.ToLower(strings.TrimSpace(text))
	if word == "any" {
		return []Service{{To: 65535}}, nil
	}
	if named, ok := namedServices[word]; ok {
		out := slices.Clone(named)
		for i := range out {
			out[i].Name = word
		}
		return out, nil
	}
	name, rest, slash := strings.Cut(word, "/")
	proto, err := flow.ParseProto(name)
	if err != nil {
		return nil, fmt.Errorf("unknown service %q%s", text, strictyaml.Suggest(name, serviceWords()))
	}
	s := Service{Proto: proto, To: 65535}
	switch {
	case !slash:
	case proto == flow.ICMP || proto == flow.ICMPv6:
		s, err = parseICMP(proto, rest)
	case flow.HasPorts(proto):
		s.From, s.To, err = parsePorts(rest)
	default:
		err = fmt.Errorf("%s has no ports", name)
	}
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", text, err)
	}
	return []Service{s}, nil
}

func parseICMP(proto uint8, text string) (Service, error) {
	if first, last, ok := strings.Cut(text, "-"); ok {
		a, err1 := strconv.ParseUint(first, 10, 8)
		b, err2 := strconv.ParseUint(last, 10, 8)
		if err1 == nil && err2 == nil && a <= b {
			return Service{Proto: proto, From: uint16(a) << 8, To: uint16(b)<<8 | 0xff}, nil
		}
	}
	kindText, codeText, hasCode := strings.Cut(text, "/")
	kind, ok := icmpTypes[proto][kindText]
	if !ok {
		n, err := strconv.ParseUint(kindText, 10, 8)
		if err != nil {
			var words []string
			for w := range icmpTypes[proto] {
				words = append(words, w)
			}
			return Service{}, fmt.Errorf("unknown type %q%s", kindText, strictyaml.Suggest(kindText, words))
		}
		kind = uint8(n)
	}
	s := icmp(proto, kind)
	if hasCode {
		code, err := strconv.ParseUint(codeText, 10, 8)
		if err != nil {
			return Service{}, fmt.Errorf("code %q is not a number up to 255", codeText)
		}
		s.From += uint16(code)
		s.To = s.From
	}
	return s, nil
}

func parsePorts(text string) (from, to uint16, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("%q is not a port or a range of ports", text)
	}
	if a > b {
		return 0, 0, fmt.Errorf("the range %s ends before it begins", text)
	}
	return uint16(a), uint16(b), nil
}

func serviceWords() []string {
	words := []string{"any", "tcp", "udp", "icmp", "icmpv6", "sctp"}
	for w := range namedServices {
		words = append(words, w)
	}
	return words
}

// String gives the form ParseService reads, without the name.
func (s Service) String() string {
	name := flow.ProtoName(s.Proto)
	switch {
	case s.Proto == 0:
		return "any"
	case s.From == 0 && s.To == 65535:
		return name
	case s.Proto == flow.ICMP || s.Proto == flow.ICMPv6:
		return s.icmpString(name)
	case s.From == s.To:
		return fmt.Sprintf("%s/%d", name, s.From)
	}
	return fmt.Sprintf("%s/%d-%d", name, s.From, s.To)
}

func (s Service) icmpString(name string) string {
	kind := uint8(s.From >> 8)
	switch {
	case s.From == s.To:
		return fmt.Sprintf("%s/%d/%d", name, kind, s.From&0xff)
	case s.From == uint16(kind)<<8 && s.To == s.From|0xff:
		for word, k := range icmpTypes[s.Proto] {
			if k == kind {
				return name + "/" + word
			}
		}
		return fmt.Sprintf("%s/%d", name, kind)
	}
	return fmt.Sprintf("%s/%d-%d", name, kind, s.To>>8)
}

// MarshalText gives the String form.
func (s Service) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote; a name that stands for several
// services is refused.
func (s *Service) UnmarshalText(b []byte) error {
	list, err := ParseService(string(b))
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return fmt.Errorf("service %q stands for %d services", b, len(list))
	}
	*s = list[0]
	return nil
}

// ServiceStrings gives services as a document writes them: by name where the
// whole name is there, otherwise one by one; in the order given, once each.
func ServiceStrings(services []Service) []string {
	whole := map[string]int{}
	for _, s := range services {
		if s.isNamed() {
			whole[s.Name]++
		}
	}
	var out []string
	for _, s := range services {
		text := s.String()
		if s.isNamed() && whole[s.Name] == len(namedServices[s.Name]) {
			text = s.Name
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// KnownAs returns the well-known name of exactly this service, or "": "postgresql"
// for tcp/5432.
func (s Service) KnownAs() string {
	best := ""
	for name, list := range namedServices {
		for _, n := range list {
			if n.Proto == s.Proto && n.From <= s.From && s.To <= n.To && (best == "" || name < best) {
				best = name
			}
		}
	}
	return best
}

// isNamed reports whether the service is what its name says.
func (s Service) isNamed() bool {
	bare := s
	bare.Name = ""
	return s.Name != "" && slices.Contains(namedServices[s.Name], bare)
}
