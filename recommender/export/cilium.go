package export

import (
	"fmt"
	"io"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// writeCilium writes CiliumClusterwideNetworkPolicies. Denials come before allows
// there, which is override-deny; a plain deny is only written where the outbound
// side is open, and takes precedence too.
func writeCilium(w io.Writer, in *Input) ([]string, error) {
	k := &kubePolicies{labelled: labelled{resolved: resolve(in), denies: true}}
	k.stageLoss()
	for i := range in.Set.Policies {
		k.ciliumBase(&in.Set.Policies[i])
	}
	for i, h := range k.halves() {
		k.ciliumHalf(i, &h)
	}
	_, err := w.Write(encodeYAML(k.header("# ", "Cilium policies of a Bulkhead policy set"), k.docs))
	return k.losses, err
}

func (k *kubePolicies) addCilium(name, from string, spec fields) {
	k.docs = append(k.docs, fields{"apiVersion", "cilium.io/v2", "kind", "CiliumClusterwideNetworkPolicy",
		"metadata", fields{"name", name, "annotations", fields{"bulkhead/policy", from}}, "spec", spec})
}

func (k *kubePolicies) ciliumBase(p *policy.Policy) {
	selector, ok := k.kubeSelector(p.Scope)
	if !ok {
		return
	}
	spec := fields{"endpointSelector", selector, "ingress", list{fields{}},
		"enableDefaultDeny", fields{"ingress", true, "egress", p.Egress == policy.EgressRestrict}}
	if len(k.in.Set.BreakGlass) > 0 {
		cidrs := list{}
		for _, g := range k.in.Set.BreakGlass {
			cidrs = append(cidrs, g.String())
		}
		spec[3] = list{fields{"fromCIDR", cidrs}}
	}
	k.addCilium(slug(p.Name+"-default-deny", 63), p.Name, spec)
}

func (k *kubePolicies) ciliumHalf(i int, h *half) {
	if h.rule.Action == policy.Deny {
		if h.way == policy.Inbound || h.policy.Egress == policy.EgressRestrict {
			return // denied by default already
		}
		k.lose("%s/%s: a denial takes precedence in Cilium; what another rule allows of it is denied too, narrower than the policy", h.policy.Name, h.rule.Name)
	}
	subject, ok := k.kubeSelector(h.subject)
	services, all, some := k.transport(h, true)
	if !ok || !some {
		return
	}
	from, section := "from", "ingress"
	if h.way == policy.Outbound {
		from, section = "to", "egress"
	}
	var rules list
	for _, peer := range k.ciliumPeers(h, from) {
		for _, ports := range k.ciliumPorts(h, services, all) {
			rules = append(rules, append(slices.Clone(peer), ports...))
		}
	}
	if len(rules) == 0 {
		return
	}
	deny := fields{"ingress", false, "egress", false}
	if h.rule.Action != policy.Allow {
		section += "Deny"
	}
	k.addCilium(h.name(i), h.policy.Name+"/"+h.rule.Name, fields{"endpointSelector", subject, section, rules, "enableDefaultDeny", deny})
}

func (k *kubePolicies) ciliumPeers(h *half, from string) (out []fields) {
	var selectors, cidrs, names list
	for i := range h.peers {
		pe := &h.peers[i]
		switch {
		case pe.Any:
			return []fields{{from + "Entities", list{"all"}}}
		case pe.Selector != nil:
			if s, ok := k.kubeSelector(pe.Selector); ok {
				selectors = append(selectors, s)
			}
		case pe.Domain != "" && h.way == policy.Outbound && h.rule.Action == policy.Allow:
			names = append(names, fields{map[bool]string{true: "matchPattern", false: "matchName"}[pe.Domain[0] == '*'], pe.Domain})
		default:
			cidrs = append(cidrs, stringList(k.cidrs(h, pe))...)
		}
	}
	for _, x := range []struct {
		key  string
		what list
	}{{"Endpoints", selectors}, {"CIDR", cidrs}, {"FQDNs", names}} {
		if len(x.what) > 0 {
			out = append(out, fields{from + x.key, x.what})
		}
	}
	return out
}

// ciliumPorts are toPorts with ports as strings, and icmps, which cannot stand in
// one rule.
func (k *kubePolicies) ciliumPorts(h *half, services []policy.Service, all bool) (out []fields) {
	if all {
		return []fields{nil}
	}
	var ports, icmps list
	for _, s := range services {
		if s.Proto == flow.ICMP || s.Proto == flow.ICMPv6 {
			icmps = append(icmps, k.ciliumICMP(h, s)...)
			continue
		}
		f := fields{"port", fmt.Sprint(s.From), "endPort", int(s.To), "protocol", protocolName(s.Proto)}
		if s.From == s.To || s.To == 65535 && s.From == 0 { // port 0 is every port
			f = fields{"port", fmt.Sprint(s.From), "protocol", protocolName(s.Proto)}
		}
		ports = append(ports, f)
	}
	for _, x := range []struct {
		key, inner string
		what       list
	}{{"toPorts", "ports", ports}, {"icmps", "fields", icmps}} {
		var parts list
		for _, c := range split(x.what, maxCilium) {
			parts = append(parts, fields{x.inner, c})
		}
		if len(parts) > 0 {
			out = append(out, fields{x.key, parts})
		}
	}
	return out
}

// maxCilium is how many ports, and how many ICMP types, one list may hold.
const maxCilium = 40

// ciliumICMP lists types. A code cannot be said, but echo has only one.
func (k *kubePolicies) ciliumICMP(h *half, s policy.Service) (out list) {
	kind := s.From >> 8
	echo := s.From&0xff == 0 && (kind == 8 || kind == 0 || kind >= 128 && s.Proto == flow.ICMPv6)
	if s.From == s.To && !echo || int(s.To>>8)-int(kind) >= maxCilium {
		k.lose("%s/%s: %s cannot be said by type alone and is left out", h.policy.Name, h.rule.Name, s)
		return nil
	}
	for ; kind <= s.To>>8; kind++ {
		out = append(out, fields{"family", map[uint8]string{flow.ICMP: "IPv4", flow.ICMPv6: "IPv6"}[s.Proto], "type", int(kind)})
	}
	return out
}
