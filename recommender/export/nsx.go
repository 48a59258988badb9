package export

import (
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// writeNSX writes one hierarchical body for PATCH /policy/api/v1/infra of VMware
// NSX: groups by tag, and one security policy for each line of the meaning. Rules
// apply to the protected groups in one direction, so each end is judged on its
// own.
func writeNSX(w io.Writer, in *Input) ([]string, error) {
	n := &nsx{labelled: labelled{resolved: resolve(in), denies: true}, groups: map[string][]string{}}
	n.stageLoss()
	for i, h := range n.halves() {
		n.half(i, &h)
	}
	for i := range in.Set.Policies {
		n.base(&in.Set.Policies[i])
	}
	var policies []any
	for i, name := range []string{"override-deny", "allow", "deny", "default"} {
		if len(n.lines[i]) > 0 {
			policies = append(policies, object{"resource_type": "ChildSecurityPolicy", "SecurityPolicy": object{"resource_type": "SecurityPolicy", "id": "bulkhead-" + name,
				"display_name": "Bulkhead " + name, "category": "Application", "sequence_number": 10 * (i + 1), "stateful": true, "rules": n.lines[i]}})
		}
	}
	body := object{"resource_type": "Infra", "children": []any{object{"resource_type": "ChildDomain",
		"Domain": object{"resource_type": "Domain", "id": "default", "children": append(n.children, policies...)}}}}
	body["description"] = strings.TrimSpace(n.header("", "Bulkhead policy set"))
	return n.losses, writeObject(w, body)
}

// object is a JSON object; keys are written in order, so the same input gives the
// same bytes.
type object map[string]any

func writeObject(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

type nsx struct {
	labelled
	groups   map[string][]string // selector → group paths
	children []any
	lines    [4][]any // rules by line of the meaning
}

const nsxGroups = "/infra/domains/default/groups/"

// selectorGroups are the groups of a selector: one per combination of values,
// because a group's tags are all needed. What tags cannot say is given by address.
func (n *nsx) selectorGroups(s policy.Selector) []string {
	if paths, ok := n.groups[s.String()]; ok {
		return paths
	}
	combos := []policy.Selector{{}}
	for _, r := range s {
		if len(r.In) == 0 || len(r.Not) > 0 || len(combos)*len(r.In) > 64 {
			combos = nil
			break
		}
		var next []policy.Selector
		for _, c := range combos {
			for _, v := range r.In {
				next = append(next, append(slices.Clone(c), policy.Requirement{Key: r.Key, In: []string{v}}))
			}
		}
		combos = next
	}
	var paths []string
	for _, c := range combos {
		if len(c) > 0 {
			paths = append(paths, n.group(c.String(), tagExpression(c)))
		}
	}
	if len(paths) == 0 {
		n.lose("%s: tags cannot say it; given by address as of this snapshot", s)
		var addrs []string
		for _, p := range n.selected(s) {
			addrs = append(addrs, p.Addr().String())
		}
		paths = []string{n.group(s.String(), []any{object{"resource_type": "IPAddressExpression", "ip_addresses": addrs}})}
	}
	n.groups[s.String()] = paths
	return paths
}

// tagExpression asks for all the tags; NSX writes scope|tag.
func tagExpression(s policy.Selector) (out []any) {
	for i, r := range s {
		if i > 0 {
			out = append(out, object{"resource_type": "ConjunctionOperator", "conjunction_operator": "AND"})
		}
		out = append(out, object{"resource_type": "Condition", "member_type": "VirtualMachine", "key": "Tag", "operator": "EQUALS", "value": r.Key + "|" + r.In[0]})
	}
	return out
}

func (n *nsx) group(name string, expression []any) string {
	id := "bulkhead-" + slug(name, 60)
	path := nsxGroups + id
	for _, c := range n.children {
		if c.(object)["Group"].(object)["id"] == id {
			return path
		}
	}
	n.children = append(n.children, object{"resource_type": "ChildGroup", "Group": object{"resource_type": "Group", "id": id, "display_name": printable(name), "expression": expression}})
	return path
}

func (n *nsx) half(i int, h *half) {
	own := n.selectorGroups(h.subject)
	var peers []string
	for k := range h.peers {
		switch pe := &h.peers[k]; {
		case pe.Any:
			peers = []string{"ANY"}
		case pe.Selector != nil:
			peers = append(peers, n.selectorGroups(pe.Selector)...)
		default:
			peers = append(peers, n.cidrs(h, pe)...)
		}
	}
	if slices.Contains(peers, "ANY") {
		peers = []string{"ANY"}
	}
	entries, all, ok := n.entries(h)
	if len(peers) == 0 || !ok {
		return
	}
	line, action := 1, "ALLOW"
	switch h.rule.Action {
	case policy.OverrideDeny:
		line, action = 0, "DROP"
	case policy.Deny:
		line, action = 2, "DROP"
	}
	r := object{"resource_type": "Rule", "id": h.name(i), "display_name": h.policy.Name + "/" + h.rule.Name, "notes": printable(h.rule.Description), "action": action, "scope": own, "services": []string{"ANY"}, "logged": action == "DROP"}
	if !all {
		r["service_entries"] = entries
	}
	r["direction"], r["source_groups"], r["destination_groups"] = "IN", peers, own
	if h.way == policy.Outbound {
		r["direction"], r["source_groups"], r["destination_groups"] = "OUT", own, peers
	}
	n.add(line, r)
}

func (n *nsx) add(line int, r object) {
	r["sequence_number"] = 10 * (len(n.lines[line]) + 1)
	n.lines[line] = append(n.lines[line], r)
}

// base denies what is left, and lets break-glass networks in.
func (n *nsx) base(p *policy.Policy) {
	own := n.selectorGroups(p.Scope)
	if len(n.in.Set.BreakGlass) > 0 {
		var nets []string
		for _, g := range n.in.Set.BreakGlass {
			nets = append(nets, g.String())
		}
		n.add(0, object{"resource_type": "Rule", "id": slug(p.Name+"-break-glass", 60), "display_name": p.Name + " break-glass", "action": "ALLOW", "direction": "IN",
			"source_groups": nets, "destination_groups": own, "scope": own, "services": []string{"ANY"}, "logged": true})
		n.lines[0] = append(n.lines[0][len(n.lines[0])-1:], n.lines[0][:len(n.lines[0])-1]...) // before every denial
		for i := range n.lines[0] {
			n.lines[0][i].(object)["sequence_number"] = 10 * (i + 1)
		}
	}
	n.add(3, object{"resource_type": "Rule", "id": slug(p.Name+"-inbound", 60), "display_name": p.Name + " inbound default", "action": "DROP", "direction": "IN",
		"source_groups": []string{"ANY"}, "destination_groups": own, "scope": own, "services": []string{"ANY"}, "logged": true})
	if p.Egress == policy.EgressRestrict {
		n.add(3, object{"resource_type": "Rule", "id": slug(p.Name+"-outbound", 60), "display_name": p.Name + " outbound default", "action": "DROP", "direction": "OUT",
			"source_groups": own, "destination_groups": []string{"ANY"}, "scope": own, "services": []string{"ANY"}, "logged": true})
	}
}

// entries are the services written into the rule; all when it is every service.
func (n *nsx) entries(h *half) (out []any, all, ok bool) {
	if len(h.rule.Services) == 0 {
		return nil, true, true
	}
	ports := map[uint8][]string{}
	for _, s := range h.rule.Services {
		switch {
		case s.Proto == 0:
			return nil, true, true
		case s.Proto == flow.ICMP || s.Proto == flow.ICMPv6:
			out = append(out, nsxICMP(s)...)
		case s.Proto == flow.TCP || s.Proto == flow.UDP:
			ports[s.Proto] = append(ports[s.Proto], portRange(s, "-"))
		default:
			out = append(out, object{"resource_type": "IPProtocolServiceEntry", "protocol_number": int(s.Proto)})
			if s.From > 0 || s.To < 65535 {
				out = out[:len(out)-1]
				n.lose("%s/%s: NSX knows no ports of %s; left out", h.policy.Name, h.rule.Name, s)
			}
		}
	}
	for _, proto := range []uint8{flow.TCP, flow.UDP} {
		for part := range slices.Chunk(ports[proto], 15) {
			out = append(out, object{"resource_type": "L4PortSetServiceEntry", "l4_protocol": protocolName(proto), "destination_ports": part})
		}
	}
	for i := range out {
		out[i].(object)["id"] = "s" + strconv.Itoa(i)
	}
	return out, false, len(out) > 0
}

func nsxICMP(s policy.Service) (out []any) {
	protocol := map[uint8]string{flow.ICMP: "ICMPv4", flow.ICMPv6: "ICMPv6"}[s.Proto]
	if s.From == 0 && s.To == 65535 {
		return []any{object{"resource_type": "ICMPTypeServiceEntry", "protocol": protocol}}
	}
	for kind := s.From >> 8; kind <= s.To>>8; kind++ {
		e := object{"resource_type": "ICMPTypeServiceEntry", "protocol": protocol, "icmp_type": int(kind)}
		if s.From == s.To {
			e["icmp_code"] = int(s.From & 0xff)
		}
		out = append(out, e)
	}
	return out
}
