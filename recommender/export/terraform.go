package export

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// The Terraform exports give every selector a security group (AWS), application
// security group (Azure) or network tag (Google): a workload carries those of all
// selectors that select it, so label changes move machines, not rules. Which
// machines carry what stands in the header.

// hcl writes HCL native syntax.
type hcl struct {
	labelled
	out    bytes.Buffer
	groups map[string]string // selector → resource name
	order  []policy.Selector
	names  map[string]bool
}

func newHCL(in *Input, denies bool) *hcl {
	h := &hcl{labelled: labelled{resolved: resolve(in), denies: denies}, groups: map[string]string{}, names: map[string]bool{}}
	h.stageLoss()
	return h
}

func (h *hcl) finish(w io.Writer, title string) ([]string, error) {
	var b bytes.Buffer
	b.WriteString(h.header("# ", title))
	for _, s := range h.order {
		var ids []string
		for i := range h.members {
			if s.Matches(h.members[i].Labels) {
				ids = append(ids, h.members[i].ID)
			}
		}
		fmt.Fprintf(&b, "# %s (%s): %s\n", h.groups[s.String()], printable(s.String()), printable(strings.Join(ids, " ")))
	}
	b.WriteByte('\n')
	b.Write(h.out.Bytes())
	_, err := w.Write(b.Bytes())
	return h.losses, err
}

// group names the resource of a selector.
func (h *hcl) group(s policy.Selector) string {
	s = slices.Clone(s)
	slices.SortStableFunc(s, func(a, b policy.Requirement) int { return strings.Compare(a.Key, b.Key) })
	key := s.String()
	if name, ok := h.groups[key]; ok {
		return name
	}
	var parts []string
	for _, r := range s {
		parts = append(parts, strings.Join(append(slices.Clone(r.In), r.Not...), "-"))
	}
	name := slug("bh-"+strings.Join(parts, "-"), 50)
	if h.names[name] {
		name = slug(name+"-"+shortHash(key), 60)
	}
	h.names[name] = true
	h.groups[key] = name
	h.order = append(h.order, s)
	return name
}

// resource writes a block; body is alternating argument names and expressions,
// "" leaving an argument out.
func (h *hcl) resource(kind, name string, body ...string) {
	fmt.Fprintf(&h.out, "resource %s %s {\n", hclString(kind), hclString(name))
	for i := 0; i < len(body); i += 2 {
		switch {
		case body[i+1] == "":
		case strings.HasPrefix(body[i+1], "{"):
			fmt.Fprintf(&h.out, "  %s %s\n", body[i], body[i+1])
		default:
			fmt.Fprintf(&h.out, "  %s = %s\n", body[i], body[i+1])
		}
	}
	h.out.WriteString("}\n\n")
}

// hclString quotes a template string: "${" and "%{" begin templates and are
// doubled (HCL native syntax specification, "Template expressions").
func hclString(s string) string {
	s = printable(s)
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${", "%{", "%%{").Replace(s)
	return `"` + s + `"`
}

func hclStrings(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = hclString(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// awsText keeps what a description may hold (EC2 API, SecurityGroupRule).
func awsText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" ._-:/()#,@[]+=&;{}!$*", r) {
			return r
		}
		return ' '
	}, s)
	return s[:min(len(s), 250)]
}

// writeAWS writes security groups. They only allow and keep state: rules of all
// groups of a machine add up, which is our pool.
func writeAWS(w io.Writer, in *Input) ([]string, error) {
	h := newHCL(in, false)
	h.out.WriteString("variable \"vpc_id\" {\n  type = string\n}\n\n")
	for i := range in.Set.Policies {
		p := &in.Set.Policies[i]
		scope := h.group(p.Scope)
		if p.Egress == policy.EgressAllow {
			for _, any := range [][2]string{{"cidr_ipv4", "0.0.0.0/0"}, {"cidr_ipv6", "::/0"}} {
				h.resource("aws_vpc_security_group_egress_rule", slug(p.Name+"-open-"+any[0], 60), "security_group_id", "aws_security_group."+scope+".id",
					"ip_protocol", `"-1"`, any[0], hclString(any[1]), "description", `"outbound is open"`)
			}
		}
		for _, g := range in.Set.BreakGlass {
			h.resource("aws_vpc_security_group_ingress_rule", slug(p.Name+"-break-glass-"+g.String(), 60), "security_group_id", "aws_security_group."+scope+".id",
				"ip_protocol", `"-1"`, cidrArgument(g), hclString(g.String()), "description", `"break-glass"`)
		}
	}
	for i, x := range h.halves() {
		h.awsHalf(i, &x)
	}
	for _, s := range h.order {
		name := h.groups[s.String()]
		h.resource("aws_security_group", name, "name", hclString(name), "description", hclString(awsText("workloads "+s.String())), "vpc_id", "var.vpc_id")
	}
	return h.finish(w, "Terraform for AWS security groups of a Bulkhead policy set")
}

func cidrArgument(p netip.Prefix) string {
	if p.Addr().Is6() {
		return "cidr_ipv6"
	}
	return "cidr_ipv4"
}

func (h *hcl) awsHalf(i int, x *half) {
	kind := "aws_vpc_security_group_ingress_rule"
	if x.way == policy.Outbound {
		kind = "aws_vpc_security_group_egress_rule"
	}
	self := "aws_security_group." + h.group(x.subject) + ".id"
	n := 0
	for _, peer := range h.cloudPeers(x, func(name string) [2]string {
		return [2]string{"referenced_security_group_id", "aws_security_group." + name + ".id"}
	}) {
		for _, s := range h.awsServices(x) {
			h.resource(kind, slug(fmt.Sprintf("%s-%d", x.name(i), n), 64), "security_group_id", self, "ip_protocol", s[0], "from_port", s[1], "to_port", s[2],
				peer[0], peer[1], "description", hclString(awsText(x.policy.Name+"/"+x.rule.Name)))
			n++
		}
	}
}

// cloudPeers gives the other side as arguments: groups by ref, addresses as CIDRs.
func (h *hcl) cloudPeers(x *half, ref func(group string) [2]string) (out [][2]string) {
	for i := range x.peers {
		pe := &x.peers[i]
		switch {
		case pe.Any:
			return [][2]string{{"cidr_ipv4", `"0.0.0.0/0"`}, {"cidr_ipv6", `"::/0"`}}
		case pe.Selector != nil:
			out = append(out, ref(h.group(pe.Selector)))
		default:
			for _, p := range h.side(x.policy, x.rule, []policy.Peer{*pe}).prefixes {
				out = append(out, [2]string{cidrArgument(p), hclString(p.String())})
			}
		}
	}
	return out
}

// awsServices are protocol, from and to; for ICMP type and code, -1 for any.
func (h *hcl) awsServices(x *half) (out [][3]string) {
	if len(x.rule.Services) == 0 {
		return [][3]string{{`"-1"`}}
	}
	for _, s := range x.rule.Services {
		switch {
		case s.Proto == 0:
			return [][3]string{{`"-1"`}}
		case s.Proto == flow.ICMP || s.Proto == flow.ICMPv6:
			word := map[uint8]string{flow.ICMP: `"icmp"`, flow.ICMPv6: `"icmpv6"`}[s.Proto]
			if s.From == 0 && s.To == 65535 {
				out = append(out, [3]string{word, "-1", "-1"})
				continue
			}
			for kind := s.From >> 8; kind <= s.To>>8; kind++ {
				code := "-1"
				if s.From == s.To {
					code = strconv.Itoa(int(s.From & 0xff))
				}
				out = append(out, [3]string{word, strconv.Itoa(int(kind)), code})
			}
		case s.Proto == flow.TCP || s.Proto == flow.UDP:
			out = append(out, [3]string{hclString(strings.ToLower(protocolName(s.Proto))), strconv.Itoa(int(s.From)), strconv.Itoa(int(s.To))})
		case s.From == 0 && s.To == 65535:
			out = append(out, [3]string{hclString(strconv.Itoa(int(s.Proto)))})
		default:
			h.lose("%s/%s: %s has ports AWS cannot say; left out", x.policy.Name, x.rule.Name, s)
		}
	}
	return out
}
