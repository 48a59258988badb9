package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
)

// peerKeys are the keys of a peer that is no bare selector. A label of that name
// can be asked for under "labels".
var peerKeys = []string{"network", "cidr", "domain", "labels"}

func (p *parser) peer(n *yaml.Node) (Peer, error) {
	if n.Kind == yaml.ScalarNode {
		if n.Value == "any" {
			return Peer{Any: true}, nil
		}
		return Peer{}, p.errorf(n.Line, "a peer is labels, {network: …}, {cidr: …}, {domain: …} or any, not %q", n.Value)
	}
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 || !slices.Contains(peerKeys, n.Content[0].Value) {
		s, err := p.selector(n)
		return Peer{Selector: s}, err
	}
	value := n.Content[1]
	switch n.Content[0].Value {
	case "network":
		return Peer{Network: value.Value}, p.scalar(value, "a network's name")
	case "domain":
		return Peer{Domain: strings.ToLower(strings.TrimSuffix(value.Value, "."))}, p.scalar(value, "a domain name")
	case "cidr":
		prefix, err := parsePrefix(value.Value)
		if err != nil {
			return Peer{}, p.errorf(value.Line, "%v", err)
		}
		return Peer{Prefix: prefix}, nil
	}
	s, err := p.selector(value)
	return Peer{Selector: s}, err
}

func (p *parser) scalar(n *yaml.Node, what string) error {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		return p.errorf(n.Line, "want %s", what)
	}
	return nil
}

// parsePrefix takes a prefix or a bare address, and refuses host bits: 10.0.0.1/8
// is a slip of the pen one way or the other.
func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not an address or prefix", text)
	}
	if prefix.Masked() != prefix {
		return netip.Prefix{}, fmt.Errorf("%s has bits set beyond its length; did you mean %s?", text, prefix.Masked())
	}
	return prefix, nil
}

func (p *parser) selector(n *yaml.Node) (Selector, error) {
	if n.Kind != yaml.MappingNode {
		return nil, p.errorf(n.Line, "want labels such as {role: web, app: shop}")
	}
	s := Selector{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if slices.ContainsFunc(s, func(r Requirement) bool { return r.Key == key.Value }) {
			return nil, p.errorf(key.Line, "label %q appears twice", key.Value)
		}
		r, err := p.requirement(key.Value, value)
		if err != nil {
			return nil, err
		}
		s = append(s, r)
	}
	return s, nil
}

type requirementSpec struct {
	In  []string `yaml:"in"`
	Not []string `yaml:"not"`
}

// requirement reads "prod", [prod, staging], "*" (any value) or {in: […], not: […]}.
func (p *parser) requirement(key string, n *yaml.Node) (Requirement, error) {
	r := Requirement{Key: key}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Value == "" || n.Tag == "!!null" {
			return r, p.errorf(n.Line, "label %q has no value; \"*\" is any", key)
		}
		if n.Value != "*" {
			r.In = []string{n.Value}
		}
	case yaml.SequenceNode:
		if err := n.Decode(&r.In); err != nil || len(r.In) == 0 {
			return r, p.errorf(n.Line, "label %q: want a list of values", key)
		}
	default:
		var spec requirementSpec
		if err := strictyaml.DecodeNode(n, p.file, &spec); err != nil {
			return r, err
		}
		r.In, r.Not = spec.In, spec.Not
	}
	return r, nil
}
