package netflow_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/flow"
)

// before is a decoder that has learned templates and sampling of two domains.
func before(t *testing.T) *feeder {
	f := newFeeder(t, netflow.Options{})
	rate := set(3, words(300, 2, 1, 143, 4, 34, 4)...)
	f.feed(
		ipfix(90_000, 1, set(2, simple(256)...), rate, set(300, 0, 0, 0, 1, 0, 0, 0, 10)),
		v9(7, 1000, uint32(now/1e9), set(0, simple(256)...)))
	return f
}

func TestTemplatesSurviveOurRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "exporters.json")
	old := before(t)
	if err := old.SaveFile(path); err != nil {
		t.Fatal(err)
	}
	f := newFeeder(t, netflow.Options{})
	if err := f.RestoreFile(path, now+60e9); err != nil {
		t.Fatal(err)
	}
	f.at = now + 60e9
	f.feed(ipfix(95_000, 1, set(256, record(1, 5)...)), v9(70, 1060, uint32(now/1e9)+60, set(256, record(2, 5)...)))
	if diff := gocmp.Diff([][2]uint64{{1, 50}, {2, 5}}, f.clients()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := f.Stats(); s.LostRecords+s.LostPackets != 0 || s.Restarts != 0 {
		t.Errorf("what was missed while away counts as lost on the way: %+v", s.Counts)
	}
	if files, _ := filepath.Glob(path + "*"); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

// An exporter that restarted while we were away means other things by its ids.
func TestStaleTemplatesAreNotUsed(t *testing.T) {
	var b bytes.Buffer
	if err := before(t).Save(&b); err != nil {
		t.Fatal(err)
	}
	f := newFeeder(t, netflow.Options{})
	if err := f.Restore(&b, now+600e9); err != nil {
		t.Fatal(err)
	}
	f.at = now + 600e9
	f.feed(ipfix(3, 1, set(256, record(1, 5)...)), v9(70, 10, uint32(now/1e9)+600, set(256, record(2, 5)...)))
	if s := f.Stats(); s.Flows != 0 || s.Restarts != 2 {
		t.Errorf("%+v", s.Counts)
	}
}

func TestStateIsTheSameTwice(t *testing.T) {
	var a, b bytes.Buffer
	if err := before(t).Save(&a); err != nil {
		t.Fatal(err)
	}
	f := newFeeder(t, netflow.Options{})
	if err := f.Restore(strings.NewReader(a.String()), now); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(&b); err != nil {
		t.Fatal(err)
	}
	// Sequence numbers are only hints after a restart; all else is as it was.
	if got, want := strings.ReplaceAll(b.String(), `"known":false`, `"known":true`), a.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDamagedStateIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"empty": "", "garbage": "{]", "newer": `{"version":2}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := newFeeder(t, netflow.Options{}).RestoreFile(path, now); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := newFeeder(t, netflow.Options{}).RestoreFile(filepath.Join(dir, "absent"), now); err != nil {
		t.Error(err)
	}
}

// A state file is input like any other: what a datagram may not say, it may not.
func TestRestoreChecksTemplates(t *testing.T) {
	text := `{"version":1,"exporters":[{"exporter":"192.0.2.1:0","domains":[{"version":10,"id":1,"templates":[` +
		`{"raw":"AQAAAQABAAA=","used":"2023-11-14T22:13:20Z"},{"raw":"AQ==","used":"2023-11-14T22:13:20Z"},{"raw":null,"used":"2023-11-14T22:13:20Z"}]}]}]}`
	f := newFeeder(t, netflow.Options{})
	if err := f.Restore(strings.NewReader(text), now); err != nil {
		t.Fatal(err)
	}
	if s := f.Stats(); s.TemplatesLearned != 0 || s.TemplateDrops[flow.DropBadTemplate] != 1 {
		t.Errorf("%+v", s.Counts)
	}
}
