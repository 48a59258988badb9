package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// The reference file states the defaults: loading it must change nothing but the
// folder, which depends on who runs the program.
func TestReferenceFileStatesTheDefaults(t *testing.T) {
	got, err := config.Load(filepath.Join(testenv.Root(), "docs", "reference.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.DataDir = got.DataDir
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("docs/reference.yaml differs from the defaults (-want +got):\n%s", diff)
	}
}

func TestLoadNamesTheMistake(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"api: {lisen: ':1'}", `unknown key "lisen"; did you mean "listen"?`},
		{"api: {listen: here}", "api.listen"},
		{"map: {inside: [10.0.0.0/33]}", `map.inside: "10.0.0.0/33" is neither`},
		{"collector: {idleTimeout: 0s}", "collector.idleTimeout"},
		{"api: {metrics: here}", "api.metrics"},
		{"collector: {user: nobody}", "collector.user"},
		{"collector: {maxFlows: 3}", "collector.maxFlows"},
	} {
		f := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(f, []byte(c.in), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(f)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "c.yaml") {
			t.Errorf("%s: got %v, want the file and %s", c.in, err, c.want)
		}
	}
	if _, err := config.Load("/does/not/exist.yaml"); err == nil {
		t.Error("a missing file was accepted")
	}
}
