package policy

import (
	"net/netip"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/topology"
)

type networkListSpec struct {
	Networks []raw `yaml:"networks"`
}

type networkSpec struct {
	Name     string            `yaml:"name"`
	Prefixes []raw             `yaml:"prefixes"`
	Domains  []string          `yaml:"domains"`
	Inside   bool              `yaml:"inside"`
	Labels   map[string]string `yaml:"labels"`
}

func (p *parser) networks(n *yaml.Node) error {
	var list networkListSpec
	if err := strictyaml.DecodeNode(n, p.file, &list); err != nil {
		return err
	}
	for _, r := range list.Networks {
		var spec networkSpec
		if err := strictyaml.DecodeNode(r.node, p.file, &spec); err != nil {
			return err
		}
		out := topology.Network{Name: spec.Name, Domains: spec.Domains, Inside: spec.Inside, Labels: spec.Labels}
		var err error
		if out.Prefixes, err = p.prefixes(spec.Prefixes); err != nil {
			return err
		}
		p.set.Networks = append(p.set.Networks, out)
	}
	return nil
}

func (p *parser) prefixes(list []raw) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, r := range list {
		prefix, err := parsePrefix(r.node.Value)
		if err != nil {
			return nil, p.errorf(r.node.Line, "%v", err)
		}
		out = append(out, prefix)
	}
	return out, nil
}

type alwaysSpec struct {
	Exceptions []raw `yaml:"exceptions"`
}

type exceptionSpec struct {
	Name      string `yaml:"name"`
	Direction raw    `yaml:"direction"`
	Services  []raw  `yaml:"services"`
	Networks  []raw  `yaml:"networks"`
	Why       string `yaml:"why"`
}

func (p *parser) alwaysAllowed(n *yaml.Node) error {
	if p.always {
		return p.errorf(n.Line, "a second %s document", KindAlwaysAllowed)
	}
	p.always = true
	var spec alwaysSpec
	if err := strictyaml.DecodeNode(n, p.file, &spec); err != nil {
		return err
	}
	for _, r := range spec.Exceptions {
		x, err := p.exception(r.node)
		if err != nil {
			return err
		}
		p.set.AlwaysAllowed = append(p.set.AlwaysAllowed, x)
	}
	return nil
}

func (p *parser) exception(n *yaml.Node) (Exception, error) {
	var spec exceptionSpec
	if err := strictyaml.DecodeNode(n, p.file, &spec); err != nil {
		return Exception{}, err
	}
	x := Exception{Name: spec.Name, Why: spec.Why}
	err := p.word(spec.Direction, &x.Direction)
	if err == nil {
		x.Services, err = p.services(spec.Services)
	}
	if err == nil {
		x.Networks, err = p.prefixes(spec.Networks)
	}
	return x, err
}

type breakGlassSpec struct {
	Networks []raw `yaml:"networks"`
}

func (p *parser) breakGlass(n *yaml.Node) error {
	var spec breakGlassSpec
	if err := strictyaml.DecodeNode(n, p.file, &spec); err != nil {
		return err
	}
	prefixes, err := p.prefixes(spec.Networks)
	p.set.BreakGlass = append(p.set.BreakGlass, prefixes...)
	return err
}
