package export_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender/export"
	"github.com/bulkhead/bulkhead/topology"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Every format's file for the shop stands in testdata, to be read by people.
func TestGolden(t *testing.T) {
	for _, f := range export.Formats() {
		var buf bytes.Buffer
		losses, err := export.Write(&buf, f.Name, shop(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range losses {
			buf.WriteString("\nreported loss: " + l)
		}
		path := filepath.Join("testdata", f.Name+f.Extension)
		if *update {
			if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), buf.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f.Name, diff)
		}
	}
}

// Whatever stands in names, labels and descriptions, every format holds as many
// lines as with harmless ones: nothing ends a string, a comment or a command.
func FuzzHostileNames(f *testing.F) {
	for _, h := range hostile {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in := shop(t)
		in.Members = in.Map.Snapshot(nil, 0)
		for i := range in.Members {
			in.Members[i].ID = text + in.Members[i].ID
			in.Members[i].Labels = in.Members[i].Labels.Merge(topology.Labels{"note": text})
		}
		plain := shop(t)
		plain.Members = plain.Map.Snapshot(nil, 0)
		withDescription(&plain, "harmless")
		withDescription(&in, "x"+strings.ToValidUTF8(strings.Map(dropControls, text), ""))
		for _, format := range export.Formats() {
			if format.Name == "json" || format.Name == "yaml" || format.Name == "nsx" || format.Name == "manifest" {
				continue // quoted by their encoders; parsed back in tests of their own
			}
			var a, b bytes.Buffer
			if _, err := export.Write(&a, format.Name, plain); err != nil {
				t.Fatal(err)
			}
			if _, err := export.Write(&b, format.Name, in); err != nil {
				t.Fatal(err)
			}
			if x, y := strings.Count(a.String(), "\n"), strings.Count(b.String(), "\n"); x != y {
				t.Errorf("%s: %q makes %d lines of %d", format.Name, text, y, x)
			}
		}
	})
}

// dropControls keeps what a document may hold.
func dropControls(r rune) rune {
	if !policy.ValidLabelValue(string(r)) {
		return -1
	}
	return r
}
