package export

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// The capirca export is three files that belong together: policy (.pol), networks
// (.net) and services (.svc), from which aclgen writes the access lists of Cisco,
// Arista, Juniper, Palo Alto and others. The aerleon export is the same model in
// the YAML of capirca's kept fork.
//
// A flow is judged at both ends, and an access list at one place: so there are two
// filters, the inbound one for where traffic goes out to the workloads, the
// outbound one for where it comes in from them.

// acl is the policy as ordered terms: the first that matches decides.
type acl struct {
	*resolved
	filters  [2]filter
	networks map[string]string // content → token
	services map[string]string
	net, svc bytes.Buffer
}

type filter struct {
	name  string
	terms []term
}

// term is one line of an access list. Empty parts match everything.
type term struct {
	name, comment         string
	source, destination   string // network tokens
	protocols, port, icmp string // names; a service token; type names
	accept                bool
}

func compileACL(in *Input) *acl {
	a := &acl{resolved: resolve(in), networks: map[string]string{}, services: map[string]string{}}
	a.stageLoss()
	a.lose("access lists are about addresses as of this snapshot: make the files anew when workloads move")
	for i, way := range []policy.Direction{policy.Inbound, policy.Outbound} {
		a.filters[i].name = "bulkhead-" + way.String()
		names := map[string]bool{}
		for _, p := range a.pools() {
			for _, t := range a.pool(p, way) {
				t.name = uniqueName(t.name, names)
				a.filters[i].terms = append(a.filters[i].terms, t)
			}
		}
		a.filters[i].terms = append(a.filters[i].terms, term{name: "everything-else", comment: "no policy protects it", accept: true})
	}
	return a
}

func uniqueName(name string, taken map[string]bool) string {
	out := name
	for n := 2; taken[out]; n++ {
		out = fmt.Sprintf("%s-%d", name, n)
	}
	taken[out] = true
	return out
}

// pool writes the meaning of one pool at one end, line by line.
func (a *acl) pool(p pool, way policy.Direction) (out []term) {
	own := a.poolAddresses(p)
	label := p.policies[0].Name
	if way == policy.Outbound && !slices.ContainsFunc(p.policies, func(q *policy.Policy) bool { return q.Egress == policy.EgressRestrict || hasDenials(q) }) {
		return nil // everything may go out
	}
	for _, x := range a.in.Set.AlwaysAllowed {
		if x.Name == policy.ExceptionLoopback || x.Direction != policy.BothWays && x.Direction != way {
			continue
		}
		peer := addresses{any: len(x.Networks) == 0, prefixes: x.Networks}
		out = append(out, a.terms("always-"+x.Name, "always allowed", way, own, peer, x.Services, true, nil)...)
	}
	if way == policy.Inbound && len(a.in.Set.BreakGlass) > 0 {
		out = append(out, a.terms("break-glass", "break-glass networks", way, own, addresses{prefixes: a.in.Set.BreakGlass}, nil, true, nil)...)
	}
	for _, r := range a.inOrder(p.policies) {
		self, peer := a.side(r.Policy, r.Rule, r.To), a.side(r.Policy, r.Rule, r.From)
		if way == policy.Outbound {
			self, peer = peer, self
		}
		out = append(out, a.terms(r.Policy.Name+"-"+r.Rule.Name, r.Rule.Description, way, intersect(own, self), peer, r.Services, r.Action == policy.Allow, &r)...)
	}
	if way == policy.Inbound || slices.ContainsFunc(p.policies, func(q *policy.Policy) bool { return q.Egress == policy.EgressRestrict }) {
		out = append(out, a.terms(label+"-default", "denied by default", way, own, addresses{any: true}, nil, false, nil)...)
	}
	return out
}

func hasDenials(p *policy.Policy) bool {
	return slices.ContainsFunc(p.Rules, func(r policy.Rule) bool { return r.Action != policy.Allow })
}

// intersect keeps the own addresses that are in other.
func intersect(own, other addresses) (out addresses) {
	if other.any {
		return own
	}
	for _, h := range own.prefixes {
		if slices.ContainsFunc(other.prefixes, func(p netip.Prefix) bool { return p.Bits() <= h.Bits() && p.Contains(h.Addr()) }) {
			out.prefixes = append(out.prefixes, h)
		}
	}
	return out
}

// terms writes one rule: a term per protocol that has ports of its own.
func (a *acl) terms(name, comment string, way policy.Direction, own, peer addresses, services []policy.Service, accept bool, r *orderedRule) (out []term) {
	if own.empty() || peer.empty() {
		return nil
	}
	base := term{name: slug(name, 40), comment: comment, accept: accept}
	base.source, base.destination = a.network(peer), a.network(own)
	if way == policy.Outbound {
		base.source, base.destination = base.destination, base.source
	}
	if len(services) == 0 || slices.ContainsFunc(services, func(s policy.Service) bool { return s.Proto == 0 }) {
		return []term{base}
	}
	ports := map[uint8][]policy.Service{}
	whole := []string{}
	types := map[uint8][]string{}
	for _, s := range services {
		switch {
		case s.Proto == flow.ICMP || s.Proto == flow.ICMPv6:
			types[s.Proto] = append(types[s.Proto], a.icmpTypes(s, r)...)
		case flow.HasPorts(s.Proto) && (s.From > 0 || s.To < 65535):
			ports[s.Proto] = append(ports[s.Proto], s)
		case aclProtocols[s.Proto] != "":
			whole = append(whole, aclProtocols[s.Proto])
		case r != nil:
			a.lose("%s/%s: protocol %d has no name in access lists; left out", r.Policy.Name, r.Rule.Name, s.Proto)
		}
	}
	if len(whole) > 0 {
		t := base
		t.protocols = strings.Join(whole, " ")
		out = append(out, t)
	}
	for _, proto := range []uint8{flow.TCP, flow.UDP, flow.SCTP} {
		if len(ports[proto]) > 0 {
			t := base
			t.protocols, t.port = aclProtocols[proto], a.service(ports[proto])
			out = append(out, t)
		}
	}
	for _, proto := range []uint8{flow.ICMP, flow.ICMPv6} {
		if list := types[proto]; len(list) > 0 {
			t := base
			t.protocols, t.icmp = aclProtocols[proto], strings.Join(list, " ")
			if list[0] == "" {
				t.icmp = ""
			}
			out = append(out, t)
		}
	}
	return out
}

var aclProtocols = map[uint8]string{flow.ICMP: "icmp", flow.IGMP: "igmp", flow.TCP: "tcp", flow.UDP: "udp", flow.GRE: "gre", 50: "esp", 51: "ah",
	flow.ICMPv6: "icmpv6", 89: "ospf", 112: "vrrp", flow.SCTP: "sctp"}

// aclICMP are the type names capirca knows (lib/nacaddr and lib/policy, "ICMP_TYPES").
var aclICMP = map[uint8]map[uint16]string{
	flow.ICMP: {0: "echo-reply", 3: "unreachable", 5: "redirect", 8: "echo-request", 9: "router-advertisement", 10: "router-solicitation",
		11: "time-exceeded", 12: "parameter-problem", 13: "timestamp-request", 14: "timestamp-reply"},
	flow.ICMPv6: {1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem", 128: "echo-request", 129: "echo-reply",
		130: "multicast-listener-query", 131: "multicast-listener-report", 132: "multicast-listener-done", 133: "router-solicit", 134: "router-advertisement",
		135: "neighbor-solicit", 136: "neighbor-advertisement", 137: "redirect-message", 143: "version-2-multicast-listener-report"},
}

// icmpTypes names the types of a service; {""} for all of them. A code cannot be
// said, but echo has only one.
func (a *acl) icmpTypes(s policy.Service, r *orderedRule) (out []string) {
	if s.From == 0 && s.To == 65535 {
		return []string{""}
	}
	kind := s.From >> 8
	single := s.From == s.To && !(s.From&0xff == 0 && (kind == 0 || kind == 8 || kind == 128 || kind == 129))
	for ; kind <= s.To>>8; kind++ {
		name := aclICMP[s.Proto][kind]
		if name != "" && !single {
			out = append(out, name)
		} else if r != nil {
			a.lose("%s/%s: %s has no name in access lists; left out", r.Policy.Name, r.Rule.Name, s)
		}
	}
	return out
}

// network names a list of addresses, defining it when it is new; "" for any.
func (a *acl) network(n addresses) string {
	if n.any {
		return ""
	}
	var content strings.Builder
	for _, p := range n.prefixes {
		content.WriteString(" " + p.String())
	}
	if token, ok := a.networks[content.String()]; ok {
		return token
	}
	token := "BH_NET_" + strings.ToUpper(shortHash(content.String()))
	a.networks[content.String()] = token
	for i, p := range n.prefixes {
		if i == 0 {
			fmt.Fprintf(&a.net, "%s = %s\n", token, p)
		} else {
			fmt.Fprintf(&a.net, "%s %s\n", strings.Repeat(" ", len(token)+2), p)
		}
	}
	return token
}

// service names a list of ports of one protocol.
func (a *acl) service(list []policy.Service) string {
	var words []string
	for _, s := range list {
		words = append(words, portRange(s, "-")+"/"+aclProtocols[s.Proto])
	}
	content := strings.Join(words, " ")
	if token, ok := a.services[content]; ok {
		return token
	}
	token := "BH_SVC_" + strings.ToUpper(shortHash(content))
	a.services[content] = token
	fmt.Fprintf(&a.svc, "%s = %s\n", token, content)
	return token
}

// aclTargets are the generators both tools share that take our terms, with the
// options each needs; mixed asks for both address families ("extended mixed" would
// give IPv4 alone). Left out is what would say something else than the policy:
// capirca's nftables generator drops ports and lets ICMPv6 terms match everything,
// and Windows puts blocks before allows.
var aclTargets = []string{
	"arista_tp %s", "cisco %s mixed", "ciscoasa %s", "cisconx %s mixed", "ciscoxr %s mixed", "juniper %s mixed",
	"packetfilter %s mixed", "paloalto from-zone any to-zone any mixed", "srx from-zone all to-zone all mixed",
}

// capircaTargets are those of capirca alone.
var capircaTargets = append(slices.Clone(aclTargets), "arista %s mixed", "brocade %s mixed", "msmpc %s mixed")

func writeCapircaPolicy(w io.Writer, in *Input) ([]string, error) {
	a := compileACL(in)
	var b bytes.Buffer
	b.WriteString(a.header("# ", "capirca policy of a Bulkhead policy set; bulkhead.net and bulkhead.svc belong to it"))
	for _, f := range a.filters {
		b.WriteString("header {\n")
		fmt.Fprintf(&b, "  comment:: %s\n", aclString("policy set "+in.Set.Hash()))
		for _, t := range capircaTargets {
			fmt.Fprintf(&b, "  target:: %s\n", strings.ReplaceAll(t, "%s", f.name))
		}
		b.WriteString("}\n\n")
		b.WriteString("term established {\n  comment:: \"replies of allowed connections\"\n  protocol:: tcp\n  option:: tcp-established\n  action:: accept\n}\n\n")
		for _, t := range f.terms {
			t.capirca(&b)
		}
	}
	if strings.Contains(a.net.String(), "::") {
		a.lose("ciscoasa: capirca writes IPv4 alone there; IPv6 is not filtered: WIDER than the policy")
	}
	a.lose("access lists keep no state: replies over UDP are only let in where an established TCP term or a rule of their own allows them")
	_, err := w.Write(b.Bytes())
	return a.losses, err
}

func (t *term) capirca(b *bytes.Buffer) {
	fmt.Fprintf(b, "term %s {\n", t.name)
	for _, line := range []struct{ key, value string }{{"comment", t.comment}, {"source-address", t.source}, {"destination-address", t.destination},
		{"protocol", t.protocols}, {"destination-port", t.port}, {"icmp-type", t.icmp}} {
		switch {
		case line.value == "":
		case line.key == "comment":
			fmt.Fprintf(b, "  comment:: %s\n", aclString(line.value))
		default:
			fmt.Fprintf(b, "  %s:: %s\n", line.key, line.value)
		}
	}
	action := "deny"
	if t.accept {
		action = "accept"
	}
	fmt.Fprintf(b, "  action:: %s\n}\n\n", action)
}

// aclString quotes a comment. Access lists know no escapes, so what could end the
// string or begin something in a router's configuration is replaced.
func aclString(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || strings.ContainsRune("\"'`\\{}[]$;!#|<>&", r) {
			return ' '
		}
		return r
	}, s)
	clean = strings.Join(strings.Fields(clean), " ")
	if len(clean) > 120 {
		clean = clean[:120]
	}
	return `"` + clean + `"`
}

func writeCapircaNetworks(w io.Writer, in *Input) ([]string, error) {
	a := compileACL(in)
	_, err := io.WriteString(w, a.header("# ", "capirca networks of a Bulkhead policy set")+a.net.String())
	return a.losses, err
}

func writeCapircaServices(w io.Writer, in *Input) ([]string, error) {
	a := compileACL(in)
	_, err := io.WriteString(w, a.header("# ", "capirca services of a Bulkhead policy set")+a.svc.String())
	return a.losses, err
}

// writeAerleon writes policy, networks and services as one YAML stream of
// aerleon's three kinds of file.
func writeAerleon(w io.Writer, in *Input) ([]string, error) {
	a := compileACL(in)
	filters := list{}
	for _, f := range a.filters {
		targets := fields{}
		for _, t := range aclTargets {
			name, options, _ := strings.Cut(strings.ReplaceAll(t, "%s", f.name), " ")
			targets = append(targets, name, options)
		}
		terms := list{fields{"name", "established", "comment", "replies of allowed connections", "protocol", "tcp", "option", "tcp-established", "action", "accept"}}
		for _, t := range f.terms {
			terms = append(terms, t.aerleon())
		}
		filters = append(filters, fields{"header", fields{"comment", "policy set " + in.Set.Hash(), "targets", targets}, "terms", terms})
	}
	networks, services := fields{}, fields{}
	for _, k := range sortedKeys(a.networks) {
		values := list{}
		for _, p := range strings.Fields(k) {
			values = append(values, fields{"address", p})
		}
		networks = append(networks, a.networks[k], fields{"values", values})
	}
	for _, k := range sortedKeys(a.services) {
		values := list{}
		for _, s := range strings.Fields(k) {
			port, proto, _ := strings.Cut(s, "/")
			values = append(values, fields{"protocol", proto, "port", port})
		}
		services = append(services, a.services[k], list(values))
	}
	_, err := w.Write(encodeYAML(a.header("# ", "aerleon policy of a Bulkhead policy set, then its networks and services"),
		[]fields{{"filters", filters}, {"networks", networks}, {"services", services}}))
	return a.losses, err
}

func sortedKeys(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(m[a], m[b]) })
	return keys
}

func (t *term) aerleon() fields {
	action := "deny"
	if t.accept {
		action = "accept"
	}
	f := fields{"name", t.name}
	for _, kv := range []struct{ key, value string }{{"comment", t.comment}, {"source-address", t.source}, {"destination-address", t.destination},
		{"protocol", t.protocols}, {"destination-port", t.port}, {"icmp-type", t.icmp}} {
		if kv.value != "" {
			if kv.key == "comment" {
				kv.value = strings.Trim(aclString(kv.value), `"`)
			}
			f = append(f, kv.key, kv.value)
		}
	}
	return append(f, "action", action)
}
