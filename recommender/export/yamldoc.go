package export

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
)

// fields is a YAML mapping in the order written: alternating keys and values.
// Values are strings, ints, bools, fields, or lists of any of them; nil leaves
// the key out.
type fields []any

// list is a YAML sequence.
type list []any

// oldYAML are the plain words that YAML 1.1 takes for a boolean or a number in base
// 60, and YAML 1.2 for text (yaml.org/type/bool.html, yaml.org/type/int.html). The
// Kubernetes API server and aerleon read YAML 1.1.
var oldYAML = regexp.MustCompile(`^((?i:y|n|yes|no|on|off|true|false)|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)$`)

// encodeYAML writes documents; every string is quoted where it must be.
func encodeYAML(header string, docs []fields) []byte {
	var b bytes.Buffer
	b.WriteString(header)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	for _, d := range docs {
		if err := enc.Encode(yamlNode(d)); err != nil {
			panic(fmt.Sprintf("export: nodes built here always encode: %v", err))
		}
	}
	if len(docs) > 0 {
		if err := enc.Close(); err != nil {
			panic(fmt.Sprintf("export: encode to memory: %v", err))
		}
	}
	return b.Bytes()
}

func yamlNode(v any) *yaml.Node {
	switch v := v.(type) {
	case fields:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for i := 0; i < len(v); i += 2 {
			if v[i+1] != nil {
				n.Content = append(n.Content, yamlNode(v[i]), yamlNode(v[i+1]))
			}
		}
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n
	case list:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, x := range v {
			n.Content = append(n.Content, yamlNode(x))
		}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n
	case string:
		n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v}
		if oldYAML.MatchString(v) {
			n.Style = yaml.DoubleQuotedStyle
		}
		return n
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: fmt.Sprint(v)}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(v)}
	}
	panic(fmt.Sprintf("export: no YAML for %T", v))
}

// stringList is a list of strings.
func stringList(in []string) list {
	out := make(list, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}

// split cuts a list into lists of at most size; none of an empty one.
func split(l list, size int) (out []list) {
	for c := range slices.Chunk(l, size) {
		out = append(out, c)
	}
	return out
}

// orNil leaves an empty list out.
func orNil(l list) any {
	if len(l) == 0 {
		return nil
	}
	return l
}
