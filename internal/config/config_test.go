package config_test

import (
	"os"
	"path/filepath"
	"slices"
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
		{"collector: {exporters: [10.0.0.0/33]}", `collector.exporters: "10.0.0.0/33" is neither`},
		{"collector: {exporters: [{prefix: 10.0.0.1, samplng: 3}]}", `unknown key "samplng"; did you mean "sampling"?`},
		{"collector: {exporters: [{name: core}]}", "collector.exporters: prefix: missing"},
		{"collector: {exporters: [{prefix: 10.0.0.1, scope: 4096}]}", "scope"},
		{"collector: {exporters: [{prefix: 10.0.0.1, scope: vlans}]}", "scope"},
		{"collector: {exporters: [{prefix: 10.0.0.1, initiator: client}]}", "initiator"},
		{"collector: {exporters: [10.0.0.1, {prefix: 10.0.0.1/32}]}", "there twice"},
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

func load(t *testing.T, text string) config.Config {
	t.Helper()
	f := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// An exporter is a prefix, or says more; both forms may stand in one list.
func TestExportersInBothForms(t *testing.T) {
	c := load(t, "collector: {exporters: [10.0.0.0/8, {prefix: 192.0.2.1, name: core, sampling: 1000, scope: vrf, initiator: source}, {prefix: 192.0.2.2, scope: 12}]}")
	want := []config.Exporter{{Prefix: "10.0.0.0/8"}, {Prefix: "192.0.2.1", Name: "core", Sampling: 1000, Scope: "vrf", Initiator: "source"}, {Prefix: "192.0.2.2", Scope: "12"}}
	if diff := cmp.Diff(want, c.Collector.Exporters); diff != "" {
		t.Error(diff)
	}
}

// Every key a sensor takes over while running is copied by TakeLive, and every
// other change is named.
func TestChangedAndTakeLive(t *testing.T) {
	a := config.Default()
	b := load(t, `
dataDir: /elsewhere
collector: {exporters: [10.0.0.1], sampling: 3, ignore: [10.9.0.0/16], serverPorts: [tcp/1], directionOverrides: {10.0.0.1: server},
  exportPorts: [1], idleTimeout: 5s, activeTimeout: 6s, scopeVLAN: true, scopeVNI: true, maxFlows: 5000, listen: ["udp://:1"]}
map: {window: 1h}
`)
	taken, restart := config.Changed(&a, &b)
	if len(taken) != 10 || !slices.Equal(restart, []string{"dataDir", "collector.maxFlows", "collector.listen", "map.window"}) {
		t.Errorf("taken %v, restart %v", taken, restart)
	}
	a.TakeLive(&b)
	if taken, again := config.Changed(&a, &b); len(taken) != 0 || !slices.Equal(again, restart) {
		t.Errorf("after TakeLive %v and %v still differ", taken, again)
	}
}
