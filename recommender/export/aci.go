package export

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// writeACI writes a body for POST /api/mo/uni/tn-bulkhead.json of Cisco ACI: an
// endpoint group per role, application and environment, a filter and a contract
// per rule, provided by who serves and consumed by who asks. Endpoint groups are
// isolated inside, because ACI lets members of one talk freely otherwise.
func writeACI(w io.Writer, in *Input) ([]string, error) {
	a := &aci{labelled: labelled{resolved: resolve(in)}, prov: map[string][]string{}, cons: map[string][]string{}, intra: map[string][]string{}}
	a.stageLoss()
	a.lose("endpoint groups are made here for the workloads of this snapshot; binding ports, domains or tags to them is the fabric's")
	a.findGroups()
	for i := range in.Set.Policies {
		p := &in.Set.Policies[i]
		if p.Egress == policy.EgressRestrict {
			a.lose("policy %q: contracts judge a flow once, so the outbound restriction holds only towards endpoint groups and not towards what is outside: WIDER than the policy", p.Name)
		}
		for j := range p.Rules {
			a.rule(p, &p.Rules[j])
		}
	}
	if len(in.Set.BreakGlass) > 0 {
		a.lose("break-glass networks are outside the fabric's endpoint groups and left out")
	}
	children := append(a.filters, a.contracts...)
	var epgs []any
	for _, g := range a.groups {
		epgs = append(epgs, a.epg(g))
	}
	children = append(children, mo("fvAp", object{"name": "bulkhead"}, epgs...))
	tenant := mo("fvTenant", object{"name": "bulkhead", "descr": "policy set " + in.Set.Hash()[:16]}, children...)
	return a.losses, writeObject(w, tenant)
}

// mo is a managed object in ACI's JSON.
func mo(class string, attributes object, children ...any) object {
	body := object{"attributes": attributes}
	if len(children) > 0 {
		body["children"] = children
	}
	return object{class: body}
}

// aciGroup is an endpoint group: the workloads that share all labels.
type aciGroup struct {
	name   string
	labels topology.Labels
}

type aci struct {
	labelled
	groups             []aciGroup
	filters, contracts []any
	prov, cons, intra  map[string][]string // group → contracts
}

func (a *aci) findGroups() {
	seen := map[string]bool{}
	for i := range a.members {
		l := a.members[i].Labels
		if key := l.String(); !seen[key] {
			seen[key] = true
			a.groups = append(a.groups, aciGroup{slug(key, 60), l})
		}
	}
	slices.SortFunc(a.groups, func(x, y aciGroup) int { return compareStrings(x.name, y.name) })
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// matching are the groups that peers select.
func (a *aci) matching(p *policy.Policy, r *policy.Rule, peers []policy.Peer, in policy.Selector) (out []string) {
	for i := range peers {
		pe := &peers[i]
		if pe.Selector == nil && !pe.Any {
			a.lose("%s/%s: %s is outside the endpoint groups and left out: narrower than the policy", p.Name, r.Name, pe)
			continue
		}
		if pe.Any {
			a.lose("%s/%s: any is taken as every endpoint group: narrower than the policy", p.Name, r.Name)
		}
		for _, g := range a.groups {
			if (pe.Any || pe.Selector.Matches(g.labels)) && in.Matches(g.labels) && !slices.Contains(out, g.name) {
				out = append(out, g.name)
			}
		}
	}
	return out
}

func (a *aci) rule(p *policy.Policy, r *policy.Rule) {
	if !a.sayable(p, r) {
		return
	}
	servers, clients := a.matching(p, r, r.To, p.Scope), a.matching(p, r, r.From, policy.Selector{})
	entries := a.entries(p, r)
	if len(servers) == 0 || len(clients) == 0 || len(entries) == 0 {
		return
	}
	name := slug(p.Name+"-"+r.Name, 60)
	a.filters = append(a.filters, mo("vzFilter", object{"name": name}, entries...))
	a.contracts = append(a.contracts, mo("vzBrCP", object{"name": name, "scope": "tenant", "descr": aciText(p.Name + "/" + r.Name)},
		mo("vzSubj", object{"name": "s", "revFltPorts": "yes"}, mo("vzRsSubjFiltAtt", object{"tnVzFilterName": name}))))
	for _, s := range servers {
		a.prov[s] = append(a.prov[s], name)
		if slices.Contains(clients, s) {
			a.intra[s] = append(a.intra[s], name)
		}
	}
	for _, c := range clients {
		a.cons[c] = append(a.cons[c], name)
	}
}

func (a *aci) epg(g aciGroup) object {
	var children []any
	for _, x := range []struct {
		class string
		names []string
	}{{"fvRsProv", a.prov[g.name]}, {"fvRsCons", a.cons[g.name]}, {"fvRsIntraEpg", a.intra[g.name]}} {
		for _, n := range x.names {
			children = append(children, mo(x.class, object{"tnVzBrCPName": n}))
		}
	}
	return mo("fvAEPg", object{"name": g.name, "pcEnfPref": "enforced", "descr": aciText(g.labels.String())}, children...)
}

// entries are a filter's lines.
func (a *aci) entries(p *policy.Policy, r *policy.Rule) (out []any) {
	services := r.Services
	if len(services) == 0 {
		services = []policy.Service{{To: 65535}}
	}
	for _, s := range services {
		attributes := object{"name": "e" + strconv.Itoa(len(out)), "etherT": "ip"}
		switch {
		case s.Proto == 0:
		case s.Proto == flow.TCP || s.Proto == flow.UDP:
			attributes["prot"] = map[uint8]string{flow.TCP: "tcp", flow.UDP: "udp"}[s.Proto]
			attributes["dFromPort"], attributes["dToPort"] = strconv.Itoa(int(s.From)), strconv.Itoa(int(s.To))
			if s.Proto == flow.TCP {
				attributes["stateful"] = "yes"
			}
		case s.Proto == flow.ICMP && s.From == 8<<8 && (s.To == s.From || s.To == s.From|0xff):
			attributes["prot"], attributes["icmpv4T"] = "icmp", "echo"
		case s.Proto == flow.ICMPv6 && s.From == 128<<8 && (s.To == s.From || s.To == s.From|0xff):
			attributes["prot"], attributes["icmpv6T"] = "icmpv6", "echo-req"
		case s.From == 0 && s.To == 65535:
			attributes["prot"] = strconv.Itoa(int(s.Proto))
		default:
			a.lose("%s/%s: %s cannot be said in a filter and is left out", p.Name, r.Name, s)
			continue
		}
		out = append(out, mo("vzEntry", attributes))
	}
	return out
}

// aciText keeps what a description may hold.
func aciText(s string) string {
	return fmt.Sprintf("%.120s", awsText(s))
}
