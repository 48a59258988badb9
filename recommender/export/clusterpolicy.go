package export

import (
	"fmt"
	"io"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
)

// Priorities of ClusterNetworkPolicies: the lowest number that matches decides.
const (
	clusterOverride = 100
	clusterAllow    = 200
	clusterDeny     = 300
	clusterDefault  = 900
)

// maxCluster is how many rules, peers of a rule, protocols of a rule and networks
// of a peer the API takes.
const maxCluster = 25

// writeClusterPolicy writes policy.networking.k8s.io/v1alpha2
// ClusterNetworkPolicies in the Admin tier. Inbound peers are pods and
// namespaces only there; networks can be said outbound.
func writeClusterPolicy(w io.Writer, in *Input) ([]string, error) {
	k := &kubePolicies{labelled: labelled{resolved: resolve(in), denies: true}}
	k.stageLoss()
	if len(in.Set.BreakGlass) > 0 {
		k.lose("break-glass networks cannot be said inbound and are left out")
	}
	for i, h := range k.halves() {
		k.clusterHalf(i, &h)
	}
	for i := range in.Set.Policies {
		k.clusterBase(&in.Set.Policies[i])
	}
	_, err := w.Write(encodeYAML(k.header("# ", "ClusterNetworkPolicies of a Bulkhead policy set"), k.docs))
	return k.losses, err
}

func (k *kubePolicies) addCluster(name, from string, priority int, subject fields, section string, rules list) {
	k.docs = append(k.docs, fields{"apiVersion", "policy.networking.k8s.io/v1alpha2", "kind", "ClusterNetworkPolicy",
		"metadata", fields{"name", name, "annotations", fields{"bulkhead/policy", from}},
		"spec", fields{"tier", "Admin", "priority", priority, "subject", fields{"pods", pods(subject)}, section, rules}})
}

func pods(selector fields) fields {
	return fields{"namespaceSelector", fields{}, "podSelector", selector}
}

func (k *kubePolicies) clusterBase(p *policy.Policy) {
	subject, ok := k.kubeSelector(p.Scope)
	if !ok {
		return
	}
	k.addCluster(slug(p.Name+"-inbound", 63), p.Name, clusterDefault, subject, "ingress",
		list{fields{"name", "default", "action", "Deny", "from", list{fields{"namespaces", fields{}}}}})
	k.lose("what comes from outside the cluster cannot be denied by ClusterNetworkPolicy: WIDER than the policy inbound; add the NetworkPolicy export's default-deny")
	if p.Egress == policy.EgressRestrict {
		k.addCluster(slug(p.Name+"-outbound", 63), p.Name, clusterDefault, subject, "egress", list{fields{"name", "default", "action", "Deny",
			"to", list{fields{"networks", list{"0.0.0.0/0", "::/0"}}, fields{"namespaces", fields{}}}}})
	}
}

func (k *kubePolicies) clusterHalf(i int, h *half) {
	subject, ok := k.kubeSelector(h.subject)
	services, all, some := k.transport(h, false)
	peers := k.clusterPeers(h)
	if !ok || !some || len(peers) == 0 {
		return
	}
	priority, action := clusterAllow, "Accept"
	switch h.rule.Action {
	case policy.OverrideDeny:
		priority, action = clusterOverride, "Deny"
	case policy.Deny:
		priority, action = clusterDeny, "Deny"
	}
	side, section := "from", "ingress"
	if h.way == policy.Outbound {
		side, section = "to", "egress"
	}
	var rules list
	for _, some := range split(peers, maxCluster) {
		rule := fields{"name", slug(h.rule.Name, 63), "action", action, side, some}
		if all {
			rules = append(rules, rule)
			continue
		}
		for _, protocols := range split(clusterProtocols(services), maxCluster) {
			rules = append(rules, append(slices.Clone(rule), "protocols", protocols))
		}
	}
	for n, some := range split(rules, maxCluster) {
		name := h.name(i)
		if n > 0 {
			name = fmt.Sprintf("%s-%d", name, n+1)
		}
		k.addCluster(name, h.policy.Name+"/"+h.rule.Name, priority, subject, section, some)
	}
}

func (k *kubePolicies) clusterPeers(h *half) (out list) {
	for i := range h.peers {
		pe := &h.peers[i]
		switch {
		case pe.Any:
			out = append(out, fields{"namespaces", fields{}})
			if h.way == policy.Outbound {
				out = append(out, fields{"networks", list{"0.0.0.0/0", "::/0"}})
			} else if h.rule.Action == policy.Allow {
				k.lose("%s/%s: inbound from outside the cluster cannot be said", h.policy.Name, h.rule.Name)
			}
		case pe.Selector != nil:
			if s, ok := k.kubeSelector(pe.Selector); ok {
				out = append(out, fields{"pods", pods(s)})
			}
		case h.way == policy.Outbound:
			for _, c := range split(stringList(k.cidrs(h, pe)), maxCluster) {
				out = append(out, fields{"networks", c})
			}
		default:
			k.lose("%s/%s: %s cannot be said inbound and is left out", h.policy.Name, h.rule.Name, pe)
		}
	}
	return out
}

func clusterProtocols(services []policy.Service) (out list) {
	for _, s := range services {
		var port any = fields{"number", int(s.From)}
		if s.From != s.To {
			port = fields{"range", fields{"start", max(1, int(s.From)), "end", int(s.To)}}
		}
		out = append(out, fields{map[string]string{"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}[protocolName(s.Proto)], fields{"destinationPort", port}})
	}
	return out
}
