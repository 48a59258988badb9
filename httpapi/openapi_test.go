package httpapi

import (
	"net/http"
	"sort"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/schemas"
)

// Every route is described, and everything described is a route.
func TestDescriptionMatchesRoutes(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string         `yaml:"operationId"`
			Summary     string         `yaml:"summary"`
			Responses   map[string]any `yaml:"responses"`
		} `yaml:"paths"`
	}
	if err := yaml.Unmarshal(schemas.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	var described []string
	ids := map[string]bool{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			described = append(described, strings.ToUpper(method)+" "+path)
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" || len(op.Responses) == 0 {
				t.Errorf("%s %s: needs a summary, responses and an operationId of its own", method, path)
			}
			ids[op.OperationID] = true
		}
	}
	var served []string
	err := chi.Walk((&server{Options: Options{}.withDefaults()}).routes(), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		served = append(served, method+" "+route)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(described)
	sort.Strings(served)
	if diff := cmp.Diff(described, served); diff != "" {
		t.Errorf("(-described +served):\n%s", diff)
	}
}
