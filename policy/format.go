package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/topology"
)

// Format writes the set as canonical YAML: Parse(Format(s)) is s in normal form,
// and formatting what was formatted changes nothing. The always-allowed list is
// written only where it differs from the default.
func Format(s *Set) []byte {
	s = s.Normal()
	var docs []*yaml.Node
	if len(s.Networks) > 0 {
		docs = append(docs, envelope(KindNetworkList, nil, "networks", each(s.Networks, networkNode)))
	}
	if !reflect.DeepEqual(s.AlwaysAllowed, (&Set{AlwaysAllowed: DefaultAlwaysAllowed()}).Normal().AlwaysAllowed) {
		docs = append(docs, envelope(KindAlwaysAllowed, nil, "exceptions", each(s.AlwaysAllowed, exceptionNode)))
	}
	if len(s.BreakGlass) > 0 {
		docs = append(docs, envelope(KindBreakGlass, nil, "networks", prefixList(s.BreakGlass)))
	}
	for i := range s.Policies {
		docs = append(docs, policyNode(&s.Policies[i]))
	}
	if len(docs) == 0 {
		return nil
	}
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	for _, d := range docs {
		if err := enc.Encode(d); err != nil {
			panic(fmt.Sprintf("policy: nodes built here always encode: %v", err))
		}
	}
	if err := enc.Close(); err != nil {
		panic(fmt.Sprintf("policy: encode to memory: %v", err))
	}
	return buf.Bytes()
}

// Hash is the content hash of the set: SHA-256 in hex over its canonical form
// with the rules by name and services by number, so that sets that differ only in
// order or in how a service is called are one.
func (s *Set) Hash() string {
	n := s.Normal().unnamed()
	for i := range n.Policies {
		slices.SortStableFunc(n.Policies[i].Rules, func(a, b Rule) int { return cmp.Compare(a.Name, b.Name) })
	}
	sum := sha256.Sum256(Format(n))
	return hex.EncodeToString(sum[:])
}

// unnamed drops the names services were written by. The set must be a copy of its
// own down to the rules, as Normal makes it.
func (s *Set) unnamed() *Set {
	strip := func(list []Service) []Service {
		list = slices.Clone(list)
		for i := range list {
			list[i].Name = ""
		}
		return sortedServices(list)
	}
	for i := range s.Policies {
		for j := range s.Policies[i].Rules {
			r := &s.Policies[i].Rules[j]
			r.Services = strip(r.Services)
		}
	}
	for i := range s.AlwaysAllowed {
		s.AlwaysAllowed[i].Services = strip(s.AlwaysAllowed[i].Services)
	}
	return s
}

func policyNode(p *Policy) *yaml.Node {
	meta := mapping(yaml.FlowStyle, "name", text(p.Name), "description", optional(p.Description))
	d := envelope(KindPolicy, meta, "scope", selectorNode(p.Scope), "stage", text(p.Stage.String()),
		"egress", text(p.Egress.String()), "rules", each(p.Rules, ruleNode))
	return d
}

func ruleNode(r Rule) *yaml.Node {
	var action *yaml.Node
	if r.Action != Allow {
		action = text(r.Action.String())
	}
	return mapping(0, "name", text(r.Name), "description", optional(r.Description), "action", action,
		"from", peerList(r.From), "to", peerList(r.To),
		"services", textList(ServiceStrings(r.Services)), "process", optional(r.Process))
}

func peerList(peers []Peer) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for i := range peers {
		n.Content = append(n.Content, peerNode(&peers[i]))
	}
	return n
}

func peerNode(p *Peer) *yaml.Node {
	switch {
	case p.Any:
		return text("any")
	case p.Network != "":
		return mapping(yaml.FlowStyle, "network", text(p.Network))
	case p.Prefix.IsValid():
		return mapping(yaml.FlowStyle, "cidr", text(p.Prefix.String()))
	case p.Domain != "":
		return mapping(yaml.FlowStyle, "domain", text(p.Domain))
	}
	s := selectorNode(p.Selector)
	if len(p.Selector) == 1 && slices.Contains(peerKeys, p.Selector[0].Key) {
		return mapping(yaml.FlowStyle, "labels", s)
	}
	return s
}

func selectorNode(s Selector) *yaml.Node {
	n := mapping(yaml.FlowStyle)
	for _, r := range s {
		n.Content = append(n.Content, text(r.Key), requirementNode(r))
	}
	return n
}

func requirementNode(r Requirement) *yaml.Node {
	switch {
	case len(r.Not) > 0 || slices.Equal(r.In, []string{"*"}):
		return mapping(yaml.FlowStyle, "in", textList(r.In), "not", textList(r.Not))
	case len(r.In) == 0:
		return text("*")
	case len(r.In) == 1:
		return text(r.In[0])
	}
	return textList(r.In)
}

func networkNode(n topology.Network) *yaml.Node {
	var inside, labels *yaml.Node
	if n.Inside {
		inside = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"}
	}
	if len(n.Labels) > 0 {
		labels = mapping(yaml.FlowStyle)
		for _, k := range n.Labels.Keys() {
			labels.Content = append(labels.Content, text(k), text(n.Labels[k]))
		}
	}
	return mapping(0, "name", text(n.Name), "prefixes", prefixList(n.Prefixes), "domains", textList(n.Domains),
		"inside", inside, "labels", labels)
}

func exceptionNode(x Exception) *yaml.Node {
	var direction *yaml.Node
	if x.Direction != BothWays {
		direction = text(x.Direction.String())
	}
	return mapping(0, "name", text(x.Name), "direction", direction,
		"services", textList(ServiceStrings(x.Services)), "networks", prefixList(x.Networks), "why", optional(x.Why))
}

func envelope(kind string, meta *yaml.Node, spec ...any) *yaml.Node {
	return mapping(0, "apiVersion", text(APIVersion), "kind", text(kind), "metadata", meta, "spec", mapping(0, spec...))
}

// mapping builds a mapping of alternating keys and *yaml.Node values; nil values
// are left out.
func mapping(style yaml.Style, pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: style}
	for i := 0; i < len(pairs); i += 2 {
		if value := pairs[i+1].(*yaml.Node); value != nil {
			n.Content = append(n.Content, text(pairs[i].(string)), value)
		}
	}
	return n
}

func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

func optional(s string) *yaml.Node {
	if s == "" {
		return nil
	}
	return text(s)
}

func textList(list []string) *yaml.Node {
	if len(list) == 0 {
		return nil
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range list {
		n.Content = append(n.Content, text(s))
	}
	return n
}

func prefixList(prefixes []netip.Prefix) *yaml.Node {
	var list []string
	for _, p := range prefixes {
		list = append(list, p.String())
	}
	return textList(list)
}

func each[T any](list []T, node func(T) *yaml.Node) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	if len(list) == 0 {
		n.Style = yaml.FlowStyle
	}
	for _, v := range list {
		n.Content = append(n.Content, node(v))
	}
	return n
}
