package export

import (
	"io"

	"github.com/bulkhead/bulkhead/policy"
)

// writeNetworkPolicy writes networking.k8s.io/v1 NetworkPolicies: one that denies
// by default per policy, one per rule and end. They only allow and add up, which
// is our pool; denials are handled as labelled says.
func writeNetworkPolicy(w io.Writer, in *Input) ([]string, error) {
	k := &kubePolicies{labelled: labelled{resolved: resolve(in)}}
	k.stageLoss()
	k.lose("NetworkPolicy has no namespace here: apply it to every namespace that holds such pods; it speaks of TCP, UDP and SCTP only, the rest is up to the network plugin")
	for i := range in.Set.Policies {
		k.base(&in.Set.Policies[i])
	}
	for i, h := range k.halves() {
		k.half(i, &h)
	}
	_, err := w.Write(encodeYAML(k.header("# ", "Kubernetes NetworkPolicies of a Bulkhead policy set"), k.docs))
	return k.losses, err
}

type kubePolicies struct {
	labelled
	docs []fields
}

func (k *kubePolicies) add(name, from string, spec fields) {
	k.docs = append(k.docs, fields{"apiVersion", "networking.k8s.io/v1", "kind", "NetworkPolicy",
		"metadata", fields{"name", name, "annotations", fields{"bulkhead/policy", from}}, "spec", spec})
}

// base denies by default, and lets break-glass networks in.
func (k *kubePolicies) base(p *policy.Policy) {
	selector, ok := k.kubeSelector(p.Scope)
	if !ok {
		k.lose("policy %q: no pod can be in its scope; left out", p.Name)
		return
	}
	types := list{"Ingress"}
	if p.Egress == policy.EgressRestrict {
		types = append(types, "Egress")
	}
	var ingress list
	for _, g := range k.in.Set.BreakGlass {
		ingress = append(ingress, fields{"from", list{fields{"ipBlock", fields{"cidr", g.String()}}}})
	}
	k.add(slug(p.Name+"-default-deny", 63), p.Name, fields{"podSelector", selector, "policyTypes", types, "ingress", orNil(ingress)})
}

func (k *kubePolicies) half(i int, h *half) {
	subject, ok := k.kubeSelector(h.subject)
	services, all, some := k.transport(h, false)
	if !ok || !some {
		return
	}
	peers, anybody := k.peers(h)
	if len(peers) == 0 && !anybody {
		return
	}
	rule := fields{}
	side, kind, section := "from", "Ingress", "ingress"
	if h.way == policy.Outbound {
		side, kind, section = "to", "Egress", "egress"
	}
	if !anybody {
		rule = append(rule, side, peers)
	}
	if !all {
		rule = append(rule, "ports", kubePorts(services))
	}
	k.add(h.name(i), h.policy.Name+"/"+h.rule.Name, fields{"podSelector", subject, "policyTypes", list{kind}, section, list{rule}})
}

// peers writes the other side; anybody when there is no limit.
func (k *kubePolicies) peers(h *half) (out list, anybody bool) {
	for i := range h.peers {
		pe := &h.peers[i]
		switch {
		case pe.Any:
			return nil, true
		case pe.Selector != nil:
			if s, ok := k.kubeSelector(pe.Selector); ok {
				out = append(out, fields{"namespaceSelector", fields{}, "podSelector", s})
			}
		default:
			for _, c := range k.cidrs(h, pe) {
				out = append(out, fields{"ipBlock", fields{"cidr", c}})
			}
		}
	}
	return out, false
}

func kubePorts(services []policy.Service) (out list) {
	for _, s := range services {
		f := fields{"protocol", protocolName(s.Proto)}
		switch {
		case s.From == s.To:
			f = append(f, "port", int(s.From))
		case s.From > 0 || s.To < 65535:
			f = append(f, "port", max(1, int(s.From)), "endPort", int(s.To))
		}
		out = append(out, f)
	}
	return out
}
