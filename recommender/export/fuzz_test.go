package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender/export"
	"github.com/bulkhead/bulkhead/topology"
)

// renamed is the shop with text for the application's label, the servers' names,
// the process and every description: what may come from the wire or from people.
// false when the policy language refuses the text.
func renamed(t testing.TB, text string) (export.Input, bool) {
	in := shop(t)
	label := func(l topology.Labels) topology.Labels { return l.Merge(topology.Labels{"app": text}) }
	rename := func(s policy.Selector) policy.Selector {
		out := append(policy.Selector(nil), s...)
		for i := range out {
			if out[i].Key == "app" {
				out[i].In = []string{text}
			}
		}
		return out
	}
	withDescription(&in, text)
	p := &in.Set.Policies[0]
	p.Scope, p.Description = rename(p.Scope), text
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Process != "" {
			r.Process = text
		}
		for _, list := range []*[]policy.Peer{&r.From, &r.To} {
			*list = append([]policy.Peer(nil), *list...)
			for j := range *list {
				if s := (*list)[j].Selector; s != nil {
					(*list)[j].Selector = rename(s)
				}
			}
		}
	}
	for i := range in.Map.Graph.Nodes {
		n := &in.Map.Graph.Nodes[i]
		n.Name, n.Labels = text, label(n.Labels)
		in.Map.Labels[i] = n.Labels
	}
	in.Recommendation = &policy.Recommendation{Set: in.Set, Notes: []string{text}, Decisions: []policy.Decision{{ID: "1", Title: text, Why: text, Rule: p.Rules[0]}}}
	return in, in.Set.Validate() == nil
}

// shape is how many things a file holds, by a reader of its own format: rows,
// nodes of a document, resources, rules, lines.
func shape(t testing.TB, format, out string) int {
	switch {
	case format == "yaml":
		set, err := policy.Parse([]byte(out), "export.yaml")
		if err != nil {
			t.Fatalf("%s: %v\n%s", format, err, out)
		}
		return len(set.Policies[0].Rules)
	case strings.HasSuffix(format, "policy") || format == "cilium" || format == "calico" || format == "aerleon":
		return yamlNodes(t, format, out)
	case format == "json" || format == "nsx" || format == "aci" || format == "manifest":
		var v any
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatalf("%s: %v\n%s", format, err, out)
		}
		return jsonNodes(v)
	case format == "csv" || format == "illumio":
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v\n%s", format, err, out)
		}
		return len(rows)
	case strings.HasPrefix(format, "terraform"):
		f := readTerraform(out)
		for _, p := range f.problems {
			t.Fatalf("%s: %s\n%s", format, p, out)
		}
		return len(f.resources)
	case format == "html":
		return strings.Count(out, "<")
	}
	return strings.Count(out, "\n")
}

func yamlNodes(t testing.TB, format, out string) (n int) {
	dec := yaml.NewDecoder(strings.NewReader(out))
	for {
		var node yaml.Node
		if err := dec.Decode(&node); err == io.EOF {
			return n
		} else if err != nil {
			t.Fatalf("%s: %v\n%s", format, err, out)
		}
		var walk func(*yaml.Node)
		walk = func(x *yaml.Node) {
			n++
			for _, c := range x.Content {
				walk(c)
			}
		}
		walk(&node)
	}
}

func jsonNodes(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			n += jsonNodes(x)
		}
	case []any:
		for _, x := range v {
			n += jsonNodes(x)
		}
	}
	return n
}

// FuzzExports: whatever things are called, every format holds exactly what it holds
// when they are called something plain, and the second writing is the first.
func FuzzExports(f *testing.F) {
	formats := export.Formats()
	usual := make([]int, len(formats))
	usualLosses := make([]int, len(formats))
	plain, _ := renamed(f, "plain")
	for i, format := range formats {
		var out bytes.Buffer
		losses, err := export.Write(&out, format.Name, plain)
		if err != nil {
			f.Fatal(err)
		}
		usual[i], usualLosses[i] = shape(f, format.Name, out.String()), len(losses)
		for _, h := range hostile {
			f.Add(h, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, text string, which uint8) {
		if !utf8.ValidString(text) || strings.TrimSpace(text) == "" || strings.Join(strings.Fields(text), " ") != text {
			return // the language puts it on one line first
		}
		in, ok := renamed(t, text)
		if !ok {
			return
		}
		n := int(which) % len(formats)
		format := formats[n].Name
		var out, again bytes.Buffer
		losses, err := export.Write(&out, format, in)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if _, err := export.Write(&again, format, in); err != nil || again.String() != out.String() {
			t.Fatalf("%s: written twice, not the same (%v)", format, err)
		}
		if i := strings.IndexFunc(out.String(), func(r rune) bool { return r < 0x20 && r != '\n' && r != '\r' && r != '\t' }); i >= 0 {
			t.Fatalf("%s: a control character in the file", format)
		}
		// A form that cannot hold the name says so, and holds less, never more.
		got := shape(t, format, out.String())
		less := len(losses) != usualLosses[n] || strings.Contains(strings.Join(losses, "\n"), "no pod can carry")
		if format != "manifest" && (got != usual[n] && !less || got > usual[n]) { // the manifest lists the others' losses
			t.Fatalf("%s: %q makes %d things of %d, losses %q:\n%s", format, text, got, usual[n], losses, out.String())
		}
	})
}

// A rule that names a domain is said as such, or its loss is: narrower for what is
// allowed, and loudly wider for what is denied.
func TestDomainsAreSaidOrLost(t *testing.T) {
	for _, action := range []policy.Action{policy.Allow, policy.OverrideDeny} {
		in := shop(t)
		withDescription(&in, "")
		for i := range in.Set.Policies[0].Rules {
			if r := &in.Set.Policies[0].Rules[i]; r.Name == "db-to-feed" {
				r.Action = action
			}
		}
		for _, format := range export.Formats() {
			if strings.HasPrefix(format.Name, "capirca-") || format.Name == "manifest" || format.Name == "ipset" || format.Name == "ip6tables" {
				continue // parts of another file, which says it
			}
			out, losses := render(t, format.Name, in)
			said := strings.Contains(out, "feed.example")
			lost := strings.Contains(strings.Join(losses, "\n"), "feed.example") || strings.Contains(strings.Join(losses, "\n"), "db-to-feed")
			if !said && !lost {
				t.Errorf("%s, %s: neither said nor lost", format.Name, action)
			}
		}
	}
}
