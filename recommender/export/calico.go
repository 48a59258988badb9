package export

import (
	"fmt"
	"io"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Orders of Calico policies: the first that matches decides, so they follow the
// lines of the meaning (see package policy).
const (
	calicoOverride = 100
	calicoAllow    = 200
	calicoDeny     = 300
	calicoRestrict = 700 // outbound default where it is restricted
	calicoOpen     = 800 // outbound default where it is not
	calicoDefault  = 900 // applying at all denies what is left inbound
)

// networkLabel marks GlobalNetworkSets, so that selectors of workloads can leave
// them out.
const networkLabel = "bulkhead-network"

// writeCalico writes GlobalNetworkPolicies, staged ones for policies that are not
// in enforce: they log and block nothing.
func writeCalico(w io.Writer, in *Input) ([]string, error) {
	c := &calico{labelled: labelled{resolved: resolve(in), denies: true}, sets: map[string]bool{}}
	for i := range in.Set.Policies {
		c.base(&in.Set.Policies[i])
	}
	for i, h := range c.halves() {
		c.half(i, &h)
	}
	_, err := w.Write(encodeYAML(c.header("# ", "Calico policies of a Bulkhead policy set"), c.docs))
	return c.losses, err
}

type calico struct {
	labelled
	docs []fields
	sets map[string]bool
}

func (c *calico) add(p *policy.Policy, name string, order int, selector string, types list, section string, rules list) {
	kind := "StagedGlobalNetworkPolicy"
	if p.Stage == policy.Enforce {
		kind = "GlobalNetworkPolicy"
	}
	spec := fields{"order", order, "selector", selector, "types", types}
	if len(rules) > 0 {
		spec = append(spec, section, rules)
	}
	c.docs = append(c.docs, fields{"apiVersion", "projectcalico.org/v3", "kind", kind, "metadata", fields{"name", name}, "spec", spec})
}

// base is line 5 of the meaning, and break-glass.
func (c *calico) base(p *policy.Policy) {
	scope, ok := c.selector(p.Scope)
	if !ok {
		c.lose("policy %q: no endpoint can be in its scope; left out", p.Name)
		return
	}
	c.add(p, slug(p.Name+"-inbound", 63), calicoDefault, scope, list{"Ingress"}, "", nil)
	if len(c.in.Set.BreakGlass) > 0 {
		nets := list{}
		for _, g := range c.in.Set.BreakGlass {
			nets = append(nets, g.String())
		}
		c.add(p, slug(p.Name+"-break-glass", 63), calicoOverride-50, scope, list{"Ingress"}, "ingress", list{fields{"action", "Allow", "source", fields{"nets", nets}}})
	}
	c.exceptions(p, scope)
	if p.Egress == policy.EgressRestrict {
		c.add(p, slug(p.Name+"-outbound", 63), calicoRestrict, scope, list{"Egress"}, "egress", list{fields{"action", "Deny"}})
		return
	}
	c.add(p, slug(p.Name+"-outbound", 63), calicoOpen, scope, list{"Egress"}, "egress", list{fields{"action", "Allow"}})
}

// exceptions are line 1 of the meaning.
func (c *calico) exceptions(p *policy.Policy, scope string) {
	for _, way := range []policy.Direction{policy.Inbound, policy.Outbound} {
		section, side, kind := "ingress", "source", "Ingress"
		if way == policy.Outbound {
			section, side, kind = "egress", "destination", "Egress"
		}
		var rules list
		for _, x := range c.in.Set.AlwaysAllowed {
			if x.Name == policy.ExceptionLoopback || x.Direction != policy.BothWays && x.Direction != way {
				continue // loopback never reaches a network policy
			}
			peer := fields{}
			if len(x.Networks) > 0 {
				nets := list{}
				for _, n := range x.Networks {
					nets = append(nets, n.String())
				}
				peer = fields{"nets", nets}
			}
			rules = append(rules, calicoRules("Allow", side, peer, x.Services)...)
		}
		c.add(p, slug(p.Name+"-always-"+section, 63), calicoOverride-50, scope, list{kind}, section, rules)
	}
}

func (c *calico) half(i int, h *half) {
	subject, ok := c.selector(h.subject)
	if !ok {
		return
	}
	order, action := calicoAllow, "Allow"
	switch h.rule.Action {
	case policy.OverrideDeny:
		order, action = calicoOverride, "Deny"
	case policy.Deny:
		order, action = calicoDeny, "Deny"
	}
	section, side, kind := "ingress", "source", "Ingress"
	if h.way == policy.Outbound {
		section, side, kind = "egress", "destination", "Egress"
	}
	services := c.services(h)
	if len(services) == 0 && len(h.rule.Services) > 0 {
		return
	}
	var rules list
	for _, peer := range c.peers(h) {
		rules = append(rules, calicoRules(action, side, peer, services)...)
	}
	if len(rules) > 0 {
		c.add(h.policy, h.name(i), order, subject, list{kind}, section, rules)
	}
}

// services are those of a rule whose ports can be said.
func (c *calico) services(h *half) (out []policy.Service) {
	for _, s := range h.rule.Services {
		ok := true
		if transports(s.Proto) {
			s, ok = c.withoutPortZero(h, s)
		}
		if ok {
			out = append(out, s)
		}
	}
	return out
}

// peers are the entity parts of the other side, one rule each.
func (c *calico) peers(h *half) (out []fields) {
	nets := list{}
	for i := range h.peers {
		pe := &h.peers[i]
		switch {
		case pe.Any:
			return []fields{{}}
		case pe.Selector != nil:
			if s, ok := c.selector(pe.Selector); ok {
				out = append(out, fields{"selector", s})
			}
		case pe.Network != "":
			n := c.in.Set.Network(pe.Network)
			c.set(n)
			out = append(out, fields{"selector", fmt.Sprintf("%s == '%s'", networkLabel, slug(pe.Network, 63))})
			for _, d := range n.Domains {
				c.loseDomain(h.policy, h.rule, d)
			}
		default:
			nets = append(nets, stringList(c.cidrs(h, pe))...)
		}
	}
	if len(nets) > 0 {
		out = append(out, fields{"nets", nets})
	}
	return out
}

// set writes a named network as a GlobalNetworkSet, once.
func (c *calico) set(n *topology.Network) {
	if c.sets[n.Name] {
		return
	}
	c.sets[n.Name] = true
	nets := list{}
	for _, p := range n.Prefixes {
		nets = append(nets, p.String())
	}
	name := slug(n.Name, 63)
	c.docs = append(c.docs, fields{"apiVersion", "projectcalico.org/v3", "kind", "GlobalNetworkSet",
		"metadata", fields{"name", name, "labels", fields{networkLabel, name}}, "spec", fields{"nets", nets}})
}

// calicoRules writes one rule per protocol.
func calicoRules(action, side string, peer fields, services []policy.Service) (out list) {
	entity := func(ports list) fields {
		r := fields{"action", action}
		if side == "source" {
			if len(peer) > 0 {
				r = append(r, "source", peer)
			}
			if len(ports) > 0 {
				r = append(r, "destination", fields{"ports", ports})
			}
			return r
		}
		d := append(fields{}, peer...)
		if len(ports) > 0 {
			d = append(d, "ports", ports)
		}
		if len(d) > 0 {
			r = append(r, "destination", d)
		}
		return r
	}
	if len(services) == 0 {
		return list{entity(nil)}
	}
	ports, order := map[uint8]list{}, []uint8{}
	for _, s := range services {
		switch {
		case s.Proto == 0:
			return list{entity(nil)}
		case s.Proto == flow.ICMP || s.Proto == flow.ICMPv6:
			out = append(out, calicoICMP(entity(nil), s)...)
		case !transports(s.Proto):
			out = append(out, append(entity(nil), "protocol", int(s.Proto)))
		case s.From == 0 && s.To == 65535:
			out = append(out, append(entity(nil), "protocol", protocolName(s.Proto)))
		default:
			if ports[s.Proto] == nil {
				order = append(order, s.Proto)
			}
			var port any = int(s.From)
			if s.From != s.To {
				port = portRange(s, ":")
			}
			ports[s.Proto] = append(ports[s.Proto], port)
		}
	}
	for _, proto := range order {
		out = append(out, append(entity(ports[proto]), "protocol", protocolName(proto)))
	}
	return out
}

func calicoICMP(base fields, s policy.Service) (out list) {
	base = append(base, "protocol", protocolName(s.Proto))
	switch {
	case s.From == 0 && s.To == 65535:
		return list{base}
	case s.From == s.To:
		return list{append(base, "icmp", fields{"type", int(s.From >> 8), "code", int(s.From & 0xff)})}
	}
	for kind := s.From >> 8; kind <= s.To>>8; kind++ {
		out = append(out, append(append(fields{}, base...), "icmp", fields{"type", int(kind)}))
	}
	return out
}

// selector writes Calico's selector language. Network sets carry labels too, so
// the selector of every workload leaves them out.
func (c *calico) selector(s policy.Selector) (string, bool) {
	if _, ok := c.kubeSelector(s); !ok {
		return "", false
	}
	parts := []string{"!has(" + networkLabel + ")"}
	quote := func(values []string) string {
		return "{'" + strings.Join(values, "', '") + "'}" // kubeSelector let no quote through
	}
	for _, r := range s {
		switch {
		case len(r.In) == 1:
			parts = append(parts, fmt.Sprintf("%s == '%s'", r.Key, r.In[0]))
		case len(r.In) > 1:
			parts = append(parts, fmt.Sprintf("%s in %s", r.Key, quote(r.In)))
		default:
			parts = append(parts, fmt.Sprintf("has(%s)", r.Key))
		}
		if len(r.Not) > 0 {
			parts = append(parts, fmt.Sprintf("%s not in %s", r.Key, quote(r.Not)))
		}
	}
	return strings.Join(parts, " && "), true
}
