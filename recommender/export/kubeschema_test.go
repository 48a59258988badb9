package export_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
)

// The published schemas stand in Go modules, which the test reads where the go
// command keeps them: nothing is compiled from them, so they are not in go.mod.
var schemaModules = map[string]struct{ version, sum string }{
	"k8s.io/kubernetes":               {"v1.35.0", "h1:PUOojD8c8E3csMP5NX+nLLne6SGqZjrYCscptyBfWMY="},
	"sigs.k8s.io/network-policy-api":  {"v0.2.0", "h1:W/f0Y9VoeQdOWjX/h2gZyLH6gZ5LLEXmh/9wy9mQWKw="},
	"github.com/cilium/cilium":        {"v1.20.2", "h1:dqiEGIcXc+gqCLYG/l7VCFJ8GHyb4HUrwbZOpkX5dL8="},
	"github.com/projectcalico/calico": {"v1.11.0-cni-plugin.0.20250813170300-a0db560f0520", "h1:TXnPEzx4pLWgwzCetIO/VJuz4iBZZrOdNSv16a50YqE="},
}

// customResources are the definitions read, and the kind each is for. Calico's are
// those of its datastore, whose specs are the ones of projectcalico.org/v3; a
// staged policy's spec is the policy's.
var customResources = []struct{ module, path, version, file string }{
	{"sigs.k8s.io/network-policy-api", "config/crd/standard/policy.networking.k8s.io_clusternetworkpolicies.yaml", "v1alpha2", "policy.networking.k8s.io_clusternetworkpolicy_v1alpha2"},
	{"github.com/cilium/cilium", "pkg/k8s/apis/cilium.io/client/crds/v2/ciliumclusterwidenetworkpolicies.yaml", "v2", "cilium.io_ciliumclusterwidenetworkpolicy_v2"},
	{"github.com/projectcalico/calico", "libcalico-go/config/crd/crd.projectcalico.org_globalnetworkpolicies.yaml", "v1", "projectcalico.org_globalnetworkpolicy_v3"},
	{"github.com/projectcalico/calico", "libcalico-go/config/crd/crd.projectcalico.org_globalnetworkpolicies.yaml", "v1", "projectcalico.org_stagedglobalnetworkpolicy_v3"},
	{"github.com/projectcalico/calico", "libcalico-go/config/crd/crd.projectcalico.org_globalnetworksets.yaml", "v1", "projectcalico.org_globalnetworkset_v3"},
}

// moduleDirs downloads the modules of the schemas, or finds them already there,
// and skips the test where neither is possible.
func moduleDirs(t *testing.T) map[string]string {
	t.Helper()
	testenv.Need(t, "go")
	args := []string{"mod", "download", "-json"}
	for module, m := range schemaModules {
		args = append(args, module+"@"+m.version)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.TempDir() // no module of ours: only what is asked for is read
	out, err := cmd.Output()
	if err != nil {
		t.Logf("go mod download: %v\n%s", err, out)
		testenv.Need(t, "kubernetes-schemas") // not there: skip, or fail where all is required
	}
	dirs := map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var m struct{ Path, Dir, Sum string }
		if err := dec.Decode(&m); err != nil {
			t.Fatal(err)
		}
		if want := schemaModules[m.Path].sum; m.Sum != want {
			t.Fatalf("%s has sum %s, want %s", m.Path, m.Sum, want)
		}
		dirs[m.Path] = m.Dir
	}
	return dirs
}

// writeSchemas writes one JSON schema a kind into dir, named by group, kind and
// version.
func writeSchemas(t *testing.T, dir string) {
	t.Helper()
	modules := moduleDirs(t)
	for _, c := range customResources {
		var crd struct {
			Spec struct {
				Versions []struct {
					Name   string
					Schema struct {
						OpenAPI map[string]any `yaml:"openAPIV3Schema"`
					}
				}
			}
		}
		decodeFile(t, filepath.Join(modules[c.module], c.path), &crd)
		for _, v := range crd.Spec.Versions {
			if v.Name == c.version {
				writeSchema(t, filepath.Join(dir, c.file+".json"), closed(v.Schema.OpenAPI), nil)
			}
		}
	}
	var api struct {
		Components struct{ Schemas map[string]map[string]any }
	}
	decodeFile(t, filepath.Join(modules["k8s.io/kubernetes"], "api/openapi-spec/v3/apis__networking.k8s.io__v1_openapi.json"), &api)
	for _, s := range api.Components.Schemas {
		closed(s)
	}
	writeSchema(t, filepath.Join(dir, "networking.k8s.io_networkpolicy_v1.json"),
		map[string]any{"$ref": "#/components/schemas/io.k8s.api.networking.v1.NetworkPolicy"}, map[string]any{"schemas": api.Components.Schemas})
}

func decodeFile(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, into); err != nil { // JSON is YAML
		t.Fatalf("%s: %v", path, err)
	}
}

// writeSchema adds what the API server asks of every object: a name that is a DNS
// subdomain (RFC 1123).
func writeSchema(t *testing.T, path string, schema map[string]any, components any) {
	t.Helper()
	name := map[string]any{"type": "string", "maxLength": 253, "pattern": `^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`}
	object := map[string]any{"required": []string{"metadata", "spec"}, "properties": map[string]any{
		"metadata": map[string]any{"required": []string{"name"}, "properties": map[string]any{"name": name}}}}
	whole := map[string]any{"allOf": []any{schema, object}}
	if components != nil {
		whole["components"] = components
	}
	b, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// closed refuses unknown fields wherever a schema lists its properties, as the
// API server does under strict field validation, and holds label values to their
// form. The branches of anyOf and oneOf only narrow what is listed beside them.
func closed(schema map[string]any) map[string]any {
	if properties, ok := schema["properties"].(map[string]any); ok {
		if _, given := schema["additionalProperties"]; !given && schema["x-kubernetes-preserve-unknown-fields"] == nil {
			schema["additionalProperties"] = false
		}
		for key, p := range properties {
			p, _ := p.(map[string]any)
			if closed(p); key == "matchLabels" {
				p["additionalProperties"] = map[string]any{"type": "string", "maxLength": 63, "pattern": `^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`}
			}
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if inner, ok := schema[key].(map[string]any); ok {
			closed(inner)
		}
	}
	return schema
}

// The conversion itself: closed where properties are listed, open in branches.
func TestClosedSchema(t *testing.T) {
	branch := map[string]any{"properties": map[string]any{"a": map[string]any{}}}
	kept := maps.Clone(branch)
	s := closed(map[string]any{"properties": map[string]any{"a": map[string]any{"items": map[string]any{"properties": map[string]any{}}}}, "anyOf": []any{branch}})
	inner := s["properties"].(map[string]any)["a"].(map[string]any)["items"].(map[string]any)
	if s["additionalProperties"] != false || inner["additionalProperties"] != false || len(branch) != len(kept) {
		t.Errorf("%v", s)
	}
}

// Kubernetes reads YAML 1.1, where these words are booleans and base-60 numbers.
func TestOldYAMLWordsAreQuoted(t *testing.T) {
	for _, word := range []string{"y", "no", "On", "OFF", "12:30:59", "true", "1_000", "0x1f", "010", "1e3"} {
		in := shop(t)
		in.Set = &policy.Set{Policies: []policy.Policy{{Name: "p", Stage: policy.Enforce, Scope: policy.Selector{{Key: "a", In: []string{word, "plain"}}}}}}
		for _, format := range []string{"networkpolicy", "cilium"} {
			out, _ := render(t, format, in)
			for _, line := range strings.Split(out, "\n") {
				if strings.HasSuffix(line, "- "+word) && !strings.HasPrefix(line, "#") {
					t.Errorf("%s: %q stands bare", format, line)
				}
			}
			if !strings.Contains(out, `- "`+word+`"`) && word != "12:30:59" { // no pod can carry that one
				t.Errorf("%s: %q is not there", format, word)
			}
		}
	}
}
