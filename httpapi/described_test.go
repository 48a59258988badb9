package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/schemas"
)

// description is schemas/openapi.yaml, to hold answers against. It knows the part of
// JSON Schema that the document uses.
type description struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Ref     string `yaml:"$ref"`
			Content map[string]struct {
				Schema schema `yaml:"schema"`
			} `yaml:"content"`
		} `yaml:"responses"`
	} `yaml:"paths"`
	Components struct {
		Schemas map[string]schema `yaml:"schemas"`
	} `yaml:"components"`
}

type schema struct {
	Ref        string            `yaml:"$ref"`
	Type       string            `yaml:"type"`
	Enum       []string          `yaml:"enum"`
	Required   []string          `yaml:"required"`
	Properties map[string]schema `yaml:"properties"`
	Items      *schema           `yaml:"items"`
	AllOf      []schema          `yaml:"allOf"`
	Additional *schema           `yaml:"additionalProperties"`
}

func describe(t *testing.T) *description {
	t.Helper()
	var d description
	if err := yaml.Unmarshal(schemas.OpenAPI, &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// check holds an answer against what the document says of its route and status:
// every field promised is there, and none that was not.
func (d *description) check(t *testing.T, method, target string, r *http.Response, body []byte) {
	t.Helper()
	path, _, _ := strings.Cut(target, "?")
	for template, ops := range d.Paths {
		op, ok := ops[strings.ToLower(method)]
		if !ok || !sameRoute(template, path) {
			continue
		}
		status := fmt.Sprint(r.StatusCode)
		answer, ok := op.Responses[status]
		if !ok {
			t.Errorf("%s %s answers %s, which is not described", method, template, status)
			return
		}
		content, ok := answer.Content["application/json"]
		if !ok || answer.Ref != "" {
			return
		}
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range d.against(&content.Schema, v, "") {
			t.Errorf("%s %s: %s", method, template, wrong)
		}
		return
	}
}

func sameRoute(template, path string) bool {
	a, b := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(a, b, func(x, y string) bool { return x == y || strings.HasPrefix(x, "{") })
}

// flat follows references and joins what allOf adds up.
func (d *description) flat(s *schema) schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		target := d.Components.Schemas[name]
		return d.flat(&target)
	}
	out := *s
	for i := range s.AllOf {
		part := d.flat(&s.AllOf[i])
		out.Type = "object"
		out.Required = append(out.Required, part.Required...)
		joined := map[string]schema{}
		for _, from := range []map[string]schema{out.Properties, part.Properties} {
			for k, v := range from {
				joined[k] = v
			}
		}
		out.Properties = joined
	}
	return out
}

const mostWrong = 5 // per answer: one mistake repeats in every row

func (d *description) against(s *schema, v any, at string) (wrong []string) {
	f := d.flat(s)
	switch v := v.(type) {
	case nil:
		return []string{at + " is null, and described as " + f.Type}
	case map[string]any:
		if f.Type != "object" {
			return []string{fmt.Sprintf("%s is an object, and described as %q", at, f.Type)}
		}
		for _, name := range f.Required {
			if _, ok := v[name]; !ok {
				wrong = append(wrong, at+"."+name+" is required and missing")
			}
		}
		for name, value := range v {
			if p, ok := f.Properties[name]; ok {
				wrong = append(wrong, d.against(&p, value, at+"."+name)...)
			} else if f.Additional != nil {
				wrong = append(wrong, d.against(f.Additional, value, at+"."+name)...)
			} else {
				wrong = append(wrong, at+"."+name+" is not described")
			}
		}
	case []any:
		if f.Type != "array" {
			return []string{fmt.Sprintf("%s is a list, and described as %q", at, f.Type)}
		}
		for i := range v {
			wrong = append(wrong, d.against(f.Items, v[i], fmt.Sprintf("%s[%d]", at, i))...)
			if len(wrong) > mostWrong {
				break
			}
		}
	case string:
		if f.Type != "string" || len(f.Enum) > 0 && !slices.Contains(f.Enum, v) {
			return []string{fmt.Sprintf("%s is %q, and described as %s %v", at, v, f.Type, f.Enum)}
		}
	case float64:
		if f.Type != "number" && (f.Type != "integer" || v != float64(int64(v))) {
			return []string{fmt.Sprintf("%s is %v, and described as %q", at, v, f.Type)}
		}
	case bool:
		if f.Type != "boolean" {
			return []string{fmt.Sprintf("%s is %v, and described as %q", at, v, f.Type)}
		}
	}
	return wrong[:min(len(wrong), mostWrong)]
}
