package policy

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
)

// Document kinds.
const (
	KindPolicy        = "Policy"
	KindNetworkList   = "NetworkList"
	KindAlwaysAllowed = "AlwaysAllowed"
	KindBreakGlass    = "BreakGlass"
)

var kinds = []string{KindPolicy, KindNetworkList, KindAlwaysAllowed, KindBreakGlass}

// Parse reads a stream of YAML documents into one set. file names it in errors,
// which give the line and the nearest valid word. The set is normalised and
// valid. Where no document gives the always-allowed list, the default holds.
func Parse(data []byte, file string) (*Set, error) {
	docs, err := strictyaml.Documents(data, file)
	if err != nil {
		return nil, err
	}
	p := &parser{file: file, set: &Set{}, policyLines: map[string]int{}}
	for _, d := range docs {
		if err := p.document(d); err != nil {
			return nil, err
		}
	}
	if !p.always {
		p.set.AlwaysAllowed = DefaultAlwaysAllowed()
	}
	set := p.set.Normal()
	if err := set.validate(p); err != nil {
		return nil, err
	}
	return set, nil
}

// parser holds what becomes the set, and where things stood for the errors that
// only the whole can show.
type parser struct {
	file        string
	set         *Set
	always      bool
	policyLines map[string]int // "policy" or "policy/rule" → line
}

func (p *parser) errorf(line int, format string, args ...any) error {
	return &strictyaml.Error{File: p.file, Line: line, Msg: fmt.Sprintf(format, args...)}
}

// raw keeps a node to be read by hand.
type raw struct{ node *yaml.Node }

// UnmarshalYAML implements yaml.Unmarshaler.
func (r *raw) UnmarshalYAML(n *yaml.Node) error { r.node = n; return nil }

type document struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   metadata `yaml:"metadata"`
	Spec       raw      `yaml:"spec"`
}

type metadata struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
}

func (p *parser) document(n *yaml.Node) error {
	if err := p.noAliases(n); err != nil {
		return err
	}
	var d document
	if err := strictyaml.DecodeNode(n, p.file, &d); err != nil {
		return err
	}
	if d.APIVersion != APIVersion {
		return p.errorf(n.Line, "apiVersion %q, want %q", d.APIVersion, APIVersion)
	}
	if d.Spec.node == nil {
		return p.errorf(n.Line, "a document needs a spec")
	}
	switch d.Kind {
	case KindPolicy:
		return p.policy(n.Line, d.Metadata, d.Spec.node)
	case KindNetworkList:
		return p.networks(d.Spec.node)
	case KindAlwaysAllowed:
		return p.alwaysAllowed(d.Spec.node)
	case KindBreakGlass:
		return p.breakGlass(d.Spec.node)
	}
	return p.errorf(n.Line, "unknown kind %q%s", d.Kind, strictyaml.Suggest(d.Kind, slices.Clone(kinds)))
}

// noAliases refuses YAML's references: a document must say what it means where
// it says it, and a few lines of them can expand to gigabytes.
func (p *parser) noAliases(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return p.errorf(n.Line, "anchors and aliases are not supported")
	}
	for _, c := range n.Content {
		if err := p.noAliases(c); err != nil {
			return err
		}
	}
	return nil
}

type policySpec struct {
	Scope  raw   `yaml:"scope"`
	Stage  raw   `yaml:"stage"`
	Egress raw   `yaml:"egress"`
	Rules  []raw `yaml:"rules"`
}

func (p *parser) policy(line int, m metadata, n *yaml.Node) error {
	var spec policySpec
	if err := strictyaml.DecodeNode(n, p.file, &spec); err != nil {
		return err
	}
	out := Policy{Name: m.Name, Description: m.Description}
	if spec.Scope.node == nil {
		return p.errorf(n.Line, "policy %q has no scope; {} is every workload", m.Name)
	}
	var err error
	if out.Scope, err = p.selector(spec.Scope.node); err != nil {
		return err
	}
	if err := p.word(spec.Stage, &out.Stage); err != nil {
		return err
	}
	if err := p.word(spec.Egress, &out.Egress); err != nil {
		return err
	}
	if _, dup := p.policyLines[m.Name]; dup {
		return p.errorf(line, "policy %q appears twice, first on line %d", m.Name, p.policyLines[m.Name])
	}
	p.policyLines[m.Name] = line
	for _, r := range spec.Rules {
		rule, err := p.rule(r.node)
		if err != nil {
			return err
		}
		p.policyLines[m.Name+"/"+rule.Name] = r.node.Line
		out.Rules = append(out.Rules, rule)
	}
	p.set.Policies = append(p.set.Policies, out)
	return nil
}

// word reads one of an enumeration's words; absent leaves the zero value.
func (p *parser) word(r raw, into interface{ UnmarshalText([]byte) error }) error {
	if r.node == nil {
		return nil
	}
	if err := into.UnmarshalText([]byte(r.node.Value)); err != nil {
		return p.errorf(r.node.Line, "%v", err)
	}
	return nil
}

type ruleSpec struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	Action      raw    `yaml:"action"`
	From        []raw  `yaml:"from"`
	To          []raw  `yaml:"to"`
	Services    []raw  `yaml:"services"`
	Process     string `yaml:"process"`
}

func (p *parser) rule(n *yaml.Node) (Rule, error) {
	var spec ruleSpec
	if err := strictyaml.DecodeNode(n, p.file, &spec); err != nil {
		return Rule{}, err
	}
	r := Rule{Name: spec.Name, Description: spec.Description, Process: spec.Process}
	if err := p.word(spec.Action, &r.Action); err != nil {
		return Rule{}, err
	}
	var err error
	if r.From, err = p.peers(spec.From); err != nil {
		return Rule{}, err
	}
	if r.To, err = p.peers(spec.To); err != nil {
		return Rule{}, err
	}
	r.Services, err = p.services(spec.Services)
	return r, err
}

func (p *parser) services(list []raw) ([]Service, error) {
	var out []Service
	for _, s := range list {
		parsed, err := ParseService(s.node.Value)
		if err != nil {
			return nil, p.errorf(s.node.Line, "%v", err)
		}
		out = append(out, parsed...)
	}
	return out, nil
}

func (p *parser) peers(list []raw) ([]Peer, error) {
	var out []Peer
	for _, r := range list {
		peer, err := p.peer(r.node)
		if err != nil {
			return nil, err
		}
		out = append(out, peer)
	}
	return out, nil
}
