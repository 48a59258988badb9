package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// illumioHeader are the columns of a rule import of workloader, the tool most
// people move Illumio rules with (cmd/ruleexport/headers.go).
var illumioHeader = []string{"ruleset_name", "ruleset_scope", "ruleset_enabled", "rule_type", "rule_description", "rule_enabled", "unscoped_consumers",
	"src_all_workloads", "src_labels", "src_labels_exclusions", "src_iplists", "dst_all_workloads", "dst_labels", "dst_labels_exclusions", "dst_iplists",
	"services", "src_resolve_labels_as", "dst_resolve_labels_as", "machine_auth_enabled", "secure_connect_enabled", "stateless_enabled",
	"ruleset_description", "external_data_set", "external_data_reference"}

// writeIllumio writes rulesets as CSV: a ruleset per policy, a row per rule and
// pair of peers. Labels are key:value, several joined by semicolons.
func writeIllumio(w io.Writer, in *Input) ([]string, error) {
	l := &labelled{resolved: resolve(in), denies: true}
	l.stageLoss()
	l.lose("IP lists are referenced by name: networks and prefixes must exist as IP lists there")
	c := csv.NewWriter(w)
	_ = c.Write(illumioHeader) // Flush reports it
	for i := range in.Set.Policies {
		p := &in.Set.Policies[i]
		for j := range p.Rules {
			l.illumio(c, p, &p.Rules[j])
		}
	}
	c.Flush()
	return l.losses, c.Error()
}

func (l *labelled) illumio(c *csv.Writer, p *policy.Policy, r *policy.Rule) {
	if !l.sayable(p, r) {
		return
	}
	kind := map[policy.Action]string{policy.Allow: "allow", policy.Deny: "deny", policy.OverrideDeny: "override_deny"}[r.Action]
	for i := range r.From {
		for k := range r.To {
			src, ok1 := l.illumioPeer(p, r, &r.From[i])
			dst, ok2 := l.illumioPeer(p, r, &r.To[k])
			if !ok1 || !ok2 {
				continue
			}
			scope, _, _ := labelList(p.Scope)
			row := []string{p.Name, scope, enabled(p.Stage == policy.Enforce), kind, p.Name + "/" + r.Name + " " + r.Description, "true", "true",
				src[0], src[1], src[2], src[3], dst[0], dst[1], dst[2], dst[3], illumioServices(r.Services), "workloads", "workloads", "false", "false", "false",
				p.Description, "bulkhead", l.in.Set.Hash()[:16] + "/" + p.Name + "/" + r.Name}
			for i := range row {
				row[i] = formulaSafe(row[i])
			}
			_ = c.Write(row)
		}
	}
}

func enabled(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// illumioPeer gives all-workloads, labels, exclusions and IP lists.
func (l *labelled) illumioPeer(p *policy.Policy, r *policy.Rule, pe *policy.Peer) (cols [4]string, ok bool) {
	cols[0] = "false"
	switch {
	case pe.Any:
		cols[3] = "Any (0.0.0.0/0 and ::/0)"
	case pe.Network != "":
		cols[3] = pe.Network
	case pe.Prefix.IsValid():
		cols[3] = pe.Prefix.String()
	case pe.Domain != "":
		l.loseDomain(p, r, pe.Domain)
		return cols, false
	case len(pe.Selector) == 0:
		cols[0] = "true"
	default:
		labels, exclusions, exact := labelList(pe.Selector)
		if !exact {
			l.lose("%s/%s: %s asks for a label whatever its value, which Illumio cannot; left out", p.Name, r.Name, pe)
			return cols, false
		}
		cols[1], cols[2] = labels, exclusions
	}
	return cols, true
}

// labelList joins the labels asked for and those excluded; not exact when a label
// is asked for without a value.
func labelList(s policy.Selector) (labels, exclusions string, exact bool) {
	var in, not []string
	exact = true
	for _, r := range s {
		exact = exact && len(r.In)+len(r.Not) > 0 && (len(r.Not) == 0 || len(r.In) > 0)
		for _, v := range r.In {
			in = append(in, r.Key+":"+v)
		}
		for _, v := range r.Not {
			not = append(not, r.Key+":"+v)
		}
		if slices.ContainsFunc(append(slices.Clone(r.In), r.Not...), func(v string) bool { return strings.ContainsAny(v, ";:") }) {
			exact = false // the separators of this file
		}
	}
	return strings.Join(in, ";"), strings.Join(not, ";"), exact
}

func illumioServices(services []policy.Service) string {
	if len(services) == 0 {
		return "All Services"
	}
	var out []string
	for _, s := range services {
		name := strings.ToLower(protocolName(s.Proto))
		switch {
		case s.Proto == 0:
			return "All Services"
		case (s.Proto == flow.ICMP || s.Proto == flow.ICMPv6) && s.From == s.To:
			out = append(out, fmt.Sprintf("%d/%d %s", s.From>>8, s.From&0xff, name))
		case (s.Proto == flow.ICMP || s.Proto == flow.ICMPv6) && s.To-s.From < 65535:
			for kind := s.From >> 8; kind <= s.To>>8; kind++ {
				out = append(out, fmt.Sprintf("%d %s", kind, name))
			}
		case s.From == s.To || s.From > 0 || s.To < 65535:
			out = append(out, portRange(s, "-")+" "+name)
		default:
			out = append(out, name)
		}
	}
	return strings.Join(out, ";")
}
