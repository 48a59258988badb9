package nft

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestGoldenText(t *testing.T) {
	for name, r := range examples(t) {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".nft")
			if *update {
				if err := os.WriteFile(file, []byte(r.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), r.String()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func sortedLines(s string) []string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		parts := strings.FieldsFunc(l, func(r rune) bool { return r == ',' })
		slices.Sort(parts)
		lines[i] = strings.Join(parts, ",")
	}
	slices.Sort(lines)
	return lines
}
