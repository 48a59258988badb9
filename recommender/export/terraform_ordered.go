package export

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// Azure and Google order their rules and can deny, so all five lines of the
// meaning can be said.

// orderOf is where a rule's priority begins: override-deny, allow, deny, default.
func orderOf(a policy.Action) int {
	switch a {
	case policy.OverrideDeny:
		return 200
	case policy.Allow:
		return 1000
	}
	return 3000
}

// maxAzureRules is what fits between two lines of the meaning.
const maxAzureRules = 800

// writeAzure writes a network security group for the subnets of the workloads,
// with application security groups for selectors.
func writeAzure(w io.Writer, in *Input) ([]string, error) {
	h := newHCL(in, true)
	h.out.WriteString("variable \"resource_group_name\" {\n  type = string\n}\n\nvariable \"location\" {\n  type = string\n}\n\n")
	h.resource("azurerm_network_security_group", "bulkhead", "name", `"bulkhead"`, "resource_group_name", "var.resource_group_name", "location", "var.location")
	next := map[string]int{}
	rule := func(name string, base int, way policy.Direction, access string, body ...string) {
		direction := map[policy.Direction]string{policy.Inbound: "Inbound", policy.Outbound: "Outbound"}[way]
		n := next[direction+strconv.Itoa(base)]
		next[direction+strconv.Itoa(base)]++
		if n >= maxAzureRules {
			h.lose("%s: more rules than Azure has priorities for; left out", name)
			return
		}
		h.resource("azurerm_network_security_rule", slug(name, 70), append([]string{"name", hclString(slug(name, 70)), "priority", strconv.Itoa(base + n), "direction", hclString(direction),
			"access", hclString(access), "resource_group_name", "var.resource_group_name", "network_security_group_name", "azurerm_network_security_group.bulkhead.name",
			"source_port_range", `"*"`}, body...)...)
	}
	for i, x := range h.halves() {
		h.azureHalf(i, &x, rule)
	}
	for i := range in.Set.Policies {
		p := &in.Set.Policies[i]
		own := "[azurerm_application_security_group." + h.group(p.Scope) + ".id]"
		for j, g := range in.Set.BreakGlass {
			rule(fmt.Sprintf("%s-break-glass-%d", p.Name, j), 110, policy.Inbound, "Allow", "protocol", `"*"`, "destination_port_range", `"*"`,
				"source_address_prefix", hclString(g.String()), "destination_application_security_group_ids", own)
		}
		rule(p.Name+"-default-inbound", 4000, policy.Inbound, "Deny", "protocol", `"*"`, "destination_port_range", `"*"`, "source_address_prefix", `"*"`, "destination_application_security_group_ids", own)
		if p.Egress == policy.EgressRestrict {
			rule(p.Name+"-default-outbound", 4000, policy.Outbound, "Deny", "protocol", `"*"`, "destination_port_range", `"*"`, "destination_address_prefix", `"*"`, "source_application_security_group_ids", own)
		}
	}
	for _, s := range h.order {
		name := h.groups[s.String()]
		h.resource("azurerm_application_security_group", name, "name", hclString(name), "resource_group_name", "var.resource_group_name", "location", "var.location")
	}
	return h.finish(w, "Terraform for an Azure network security group of a Bulkhead policy set")
}

func (h *hcl) azureHalf(i int, x *half, rule func(string, int, policy.Direction, string, ...string)) {
	access := "Allow"
	if x.rule.Action != policy.Allow {
		access = "Deny"
	}
	own, ownKey, peerKey := "[azurerm_application_security_group."+h.group(x.subject)+".id]", "destination_application_security_group_ids", "source"
	if x.way == policy.Outbound {
		ownKey, peerKey = "source_application_security_group_ids", "destination"
	}
	n := 0
	for _, peer := range h.orderedPeers(x) {
		for _, s := range h.azureServices(x) {
			body := []string{"protocol", hclString(s[0]), "destination_port_ranges", s[1], ownKey, own}
			if s[1] == "" {
				body = []string{"protocol", hclString(s[0]), "destination_port_range", `"*"`, ownKey, own}
			}
			switch {
			case peer.any:
				body = append(body, peerKey+"_address_prefix", `"*"`)
			case peer.group != "":
				body = append(body, peerKey+"_application_security_group_ids", "[azurerm_application_security_group."+peer.group+".id]")
			default:
				body = append(body, peerKey+"_address_prefixes", hclStrings(peer.cidrs))
			}
			rule(fmt.Sprintf("%s-%d", x.name(i), n), orderOf(x.rule.Action), x.way, access, body...)
			n++
		}
	}
}

// orderedPeer is one alternative of the other side.
type orderedPeer struct {
	any   bool
	group string
	cidrs []string
}

func (h *hcl) orderedPeers(x *half) (out []orderedPeer) {
	var cidrs []string
	for i := range x.peers {
		pe := &x.peers[i]
		switch {
		case pe.Any:
			return []orderedPeer{{any: true}}
		case pe.Selector != nil:
			out = append(out, orderedPeer{group: h.group(pe.Selector)})
		default:
			cidrs = append(cidrs, h.cidrs(x, pe)...)
		}
	}
	if len(cidrs) > 0 {
		out = append(out, orderedPeer{cidrs: cidrs})
	}
	return out
}

// azureServices are a protocol and its port ranges, "" for all.
func (h *hcl) azureServices(x *half) (out [][2]string) {
	if len(x.rule.Services) == 0 {
		return [][2]string{{"*", ""}}
	}
	ports := map[uint8][]string{}
	for _, s := range x.rule.Services {
		switch {
		case s.Proto == 0:
			return [][2]string{{"*", ""}}
		case s.Proto == flow.TCP || s.Proto == flow.UDP:
			ports[s.Proto] = append(ports[s.Proto], portRange(s, "-"))
		case s.Proto == flow.ICMP && s.From == 0 && s.To == 65535:
			out = append(out, [2]string{"Icmp", ""})
		default:
			h.lose("%s/%s: Azure knows TCP, UDP and ICMP without types; %s is left out", x.policy.Name, x.rule.Name, s)
		}
	}
	for _, p := range []struct {
		proto uint8
		name  string
	}{{flow.TCP, "Tcp"}, {flow.UDP, "Udp"}} {
		if len(ports[p.proto]) > 0 {
			out = append(out, [2]string{p.name, hclStrings(ports[p.proto])})
		}
	}
	return out
}

// writeGoogle writes VPC firewall rules with network tags for selectors.
func writeGoogle(w io.Writer, in *Input) ([]string, error) {
	h := newHCL(in, true)
	h.out.WriteString("variable \"network\" {\n  type = string\n}\n\n")
	for i, x := range h.halves() {
		h.googleHalf(i, &x)
	}
	for i := range in.Set.Policies {
		p := &in.Set.Policies[i]
		tag := hclStrings([]string{h.group(p.Scope)})
		if len(in.Set.BreakGlass) > 0 {
			var cidrs []string
			for _, g := range in.Set.BreakGlass {
				cidrs = append(cidrs, g.String())
			}
			h.google(slug(p.Name+"-break-glass", 60), "INGRESS", 110, "target_tags", tag, "source_ranges", hclStrings(cidrs), "allow", `{ protocol = "all" }`)
		}
		h.google(slug(p.Name+"-inbound", 60), "INGRESS", 4000, "target_tags", tag, "source_ranges", `["0.0.0.0/0"]`, "deny", `{ protocol = "all" }`)
		if p.Egress == policy.EgressRestrict {
			h.google(slug(p.Name+"-outbound", 60), "EGRESS", 4000, "target_tags", tag, "destination_ranges", `["0.0.0.0/0"]`, "deny", `{ protocol = "all" }`)
		}
	}
	h.lose("Google firewall rules hold one IP version: this file is for IPv4")
	return h.finish(w, "Terraform for Google VPC firewall rules of a Bulkhead policy set")
}

func (h *hcl) google(name, direction string, priority int, body ...string) {
	h.resource("google_compute_firewall", name, append([]string{"name", hclString(name), "network", "var.network", "direction", hclString(direction), "priority", strconv.Itoa(priority)}, body...)...)
}

func (h *hcl) googleHalf(i int, x *half) {
	direction, block := "INGRESS", "allow"
	if x.way == policy.Outbound {
		direction = "EGRESS"
	}
	if x.rule.Action != policy.Allow {
		block = "deny"
	}
	blocks := h.googleServices(x)
	if len(blocks) == 0 {
		return
	}
	for n, peer := range h.orderedPeers(x) {
		body := []string{"target_tags", hclStrings([]string{h.group(x.subject)})}
		switch {
		case peer.any:
			body = append(body, map[string]string{"INGRESS": "source_ranges", "EGRESS": "destination_ranges"}[direction], `["0.0.0.0/0"]`)
		case peer.group != "" && direction == "INGRESS":
			body = append(body, "source_tags", hclStrings([]string{peer.group}))
		default:
			cidrs := peer.cidrs
			if peer.group != "" { // outbound rules know no tags of others: their addresses
				for _, p := range h.side(x.policy, x.rule, x.peers).family(false).prefixes {
					cidrs = append(cidrs, p.String())
				}
				h.lose("%s/%s: outbound rules name servers by address as of this snapshot", x.policy.Name, x.rule.Name)
			}
			if cidrs = onlyIPv4(cidrs); len(cidrs) == 0 {
				continue
			}
			body = append(body, map[string]string{"INGRESS": "source_ranges", "EGRESS": "destination_ranges"}[direction], hclStrings(cidrs))
		}
		for _, b := range blocks {
			body = append(body, block, b)
		}
		h.google(slug(fmt.Sprintf("%s-%d", x.name(i), n), 60), direction, orderOf(x.rule.Action), body...)
	}
}

func onlyIPv4(cidrs []string) (out []string) {
	for _, c := range cidrs {
		if !strings.Contains(c, ":") {
			out = append(out, c)
		}
	}
	return out
}

func (h *hcl) googleServices(x *half) (out []string) {
	if len(x.rule.Services) == 0 {
		return []string{`{ protocol = "all" }`}
	}
	ports, order := map[uint8][]string{}, []uint8{}
	for _, s := range x.rule.Services {
		switch {
		case s.Proto == 0:
			return []string{`{ protocol = "all" }`}
		case s.Proto == flow.ICMPv6:
		case !flow.HasPorts(s.Proto) && (s.From > 0 || s.To < 65535):
			h.lose("%s/%s: Google knows ICMP without types; %s is left out", x.policy.Name, x.rule.Name, s)
		case !flow.HasPorts(s.Proto) || s.From == 0 && s.To == 65535:
			out = append(out, fmt.Sprintf("{ protocol = %q }", strings.ToLower(protocolName(s.Proto))))
		default:
			if ports[s.Proto] == nil {
				order = append(order, s.Proto)
			}
			ports[s.Proto] = append(ports[s.Proto], portRange(s, "-"))
		}
	}
	for _, proto := range order {
		out = append(out, fmt.Sprintf("{\n    protocol = %q\n    ports    = %s\n  }", strings.ToLower(protocolName(proto)), hclStrings(ports[proto])))
	}
	return out
}
