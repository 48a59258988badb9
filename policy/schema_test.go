package policy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/internal/testenv"
)

// The published schema and the parser know the same keys and the same words.
func TestSchemaIsWhatParseTakes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.Root(), "schemas", "policy.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	type schema struct {
		Properties map[string]*struct {
			Enum       []string
			Properties map[string]struct{ Enum []string }
		}
	}
	var doc struct {
		Defs map[string]schema `json:"$defs"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	keysOf := func(v any) (keys []string) {
		for i := range reflect.TypeOf(v).NumField() {
			keys = append(keys, strings.Split(reflect.TypeOf(v).Field(i).Tag.Get("yaml"), ",")[0])
		}
		slices.Sort(keys)
		return keys
	}
	for name, v := range map[string]any{"policy": document{}, "networkList": document{}, "alwaysAllowed": document{}, "breakGlass": document{},
		"metadata": metadata{}, "rule": ruleSpec{}, "network": networkSpec{}, "exception": exceptionSpec{}} {
		var got []string
		for k := range doc.Defs[name].Properties {
			got = append(got, k)
		}
		slices.Sort(got)
		if diff := cmp.Diff(keysOf(v), got); diff != "" {
			t.Errorf("%s (-parser +schema):\n%s", name, diff)
		}
	}
	for name, v := range map[string]any{"policy": policySpec{}, "networkList": networkListSpec{}, "alwaysAllowed": alwaysSpec{}, "breakGlass": breakGlassSpec{}} {
		var got []string
		for k := range doc.Defs[name].Properties["spec"].Properties {
			got = append(got, k)
		}
		slices.Sort(got)
		if diff := cmp.Diff(keysOf(v), got); diff != "" {
			t.Errorf("%s.spec (-parser +schema):\n%s", name, diff)
		}
	}
	spec := doc.Defs["policy"].Properties["spec"].Properties
	for want, got := range map[*[]string][]string{&stages: spec["stage"].Enum, &egresses: spec["egress"].Enum,
		&actions: doc.Defs["rule"].Properties["action"].Enum, &ways: doc.Defs["exception"].Properties["direction"].Enum} {
		if diff := cmp.Diff(*want, got); diff != "" {
			t.Errorf("words (-parser +schema):\n%s", diff)
		}
	}
}
