// Package strictyaml decodes YAML documents people write by hand: an unknown key
// is an error that names the file, the line and the nearest key that exists.
package strictyaml

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Error is a mistake at a place in a document.
type Error struct {
	File string
	Line int // 1-based; 0 when the parser gave none
	Msg  string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// Documents splits a multi-document stream into its nodes. Empty documents are
// left out.
func Documents(data []byte, file string) ([]*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var docs []*yaml.Node
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, &Error{File: file, Msg: strings.TrimPrefix(err.Error(), "yaml: ")}
		}
		if len(n.Content) > 0 && n.Content[0].Tag != "!!null" {
			docs = append(docs, n.Content[0])
		}
	}
}

// Decode decodes a single document into the struct that into points to. An empty
// document leaves it unchanged.
func Decode(data []byte, file string, into any) error {
	docs, err := Documents(data, file)
	if err != nil || len(docs) == 0 {
		return err
	}
	if len(docs) > 1 {
		return &Error{file, docs[1].Line, "more than one document"}
	}
	return DecodeNode(docs[0], file, into)
}

// DecodeNode checks every key of n against into's yaml tags, then decodes it.
func DecodeNode(n *yaml.Node, file string, into any) error {
	if err := check(n, reflect.TypeOf(into), file); err != nil {
		return err
	}
	if err := n.Decode(into); err != nil {
		var te *yaml.TypeError
		if errors.As(err, &te) && len(te.Errors) > 0 {
			var line int
			msg := te.Errors[0]
			if k, _ := fmt.Sscanf(msg, "line %d:", &line); k == 1 {
				msg = strings.TrimSpace(msg[strings.Index(msg, ":")+1:])
			}
			return &Error{file, line, msg}
		}
		var own *Error
		if errors.As(err, &own) {
			if own.File == "" { // of a type that decodes its own node, and does not know the file
				own.File = file
			}
			return err
		}
		return &Error{file, n.Line, err.Error()}
	}
	return nil
}

var (
	yamlUnmarshaler = reflect.TypeFor[yaml.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func check(n *yaml.Node, t reflect.Type, file string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p := reflect.PointerTo(t); p.Implements(yamlUnmarshaler) || p.Implements(textUnmarshaler) {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		return checkStruct(n, t, file)
	case t.Kind() == reflect.Map && n.Kind == yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			if err := check(n.Content[i], t.Elem(), file); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, c := range n.Content {
			if err := check(c, t.Elem(), file); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkStruct(n *yaml.Node, t reflect.Type, file string) error {
	fields := map[string]reflect.Type{}
	collect(t, fields)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		ft, ok := fields[key.Value]
		if !ok {
			return &Error{file, key.Line, fmt.Sprintf("unknown key %q%s", key.Value, Suggest(key.Value, names(fields)))}
		}
		if err := check(value, ft, file); err != nil {
			return err
		}
	}
	return nil
}

func collect(t reflect.Type, into map[string]reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case strings.Contains(opts, "inline"):
			collect(f.Type, into)
		case name != "":
			into[name] = f.Type
		default:
			into[strings.ToLower(f.Name)] = f.Type
		}
	}
}

func names(fields map[string]reflect.Type) []string {
	out := make([]string, 0, len(fields))
	for k := range fields {
		out = append(out, k)
	}
	return out
}

// Suggest returns `; did you mean "x"?` for the known word nearest to got, or the
// list of known words when none is near.
func Suggest(got string, known []string) string {
	sort.Strings(known)
	best, bestD := "", len(got)/2+2
	for _, k := range known {
		if d := distance(strings.ToLower(got), strings.ToLower(k)); d < bestD {
			best, bestD = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known: " + strings.Join(known, ", ")
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost = 1 + min(prev, row[j], row[j+1])
			}
			prev, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
