package schemas

import (
	"strings"
	"testing"
	"testing/fstest"
)

func statements(t *testing.T, target Target) []string {
	t.Helper()
	all, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range all {
		s, err := m.Statements(target)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s...)
	}
	return out
}

// Every statement must be harmless when it has been run before, and on a cluster
// reach every server and replicate.
func TestStatements(t *testing.T) {
	for name, target := range map[string]Target{
		"single": {}, "cluster": {Cluster: "prod"}, "plain cluster": {Cluster: "prod", Plain: true},
	} {
		distributed := 0
		for _, s := range statements(t, target) {
			first, _, _ := strings.Cut(s, "\n")
			if !strings.Contains(first, "IF NOT EXISTS") && !strings.Contains(first, "DROP VIEW IF EXISTS") {
				t.Errorf("%s: cannot be repeated: %s", name, first)
			}
			if got, want := strings.Contains(first, " ON CLUSTER prod"), name == "cluster"; got != want {
				t.Errorf("%s: ON CLUSTER is %v: %s", name, got, first)
			}
			table := strings.HasPrefix(first, "CREATE TABLE")
			isDistributed := strings.Contains(s, "ENGINE = Distributed(prod, currentDatabase(), ")
			if isDistributed {
				distributed++
			}
			if table && !isDistributed {
				if got, want := strings.Contains(s, "ENGINE = Replicated"), name == "cluster"; got != want {
					t.Errorf("%s: replicated is %v: %s", name, got, first)
				}
				if local := strings.Contains(first, "_local"); local != (target.Cluster != "") {
					t.Errorf("%s: local is %v: %s", name, local, first)
				}
				if !strings.Contains(s, "deduplication_window = ") {
					t.Errorf("%s: repeated batches would count twice: %s", name, first)
				}
			}
		}
		if (distributed > 0) != (target.Cluster != "") {
			t.Errorf("%s: %d distributed tables", name, distributed)
		}
	}
}

func TestMigrationsAreNumberedWithoutGaps(t *testing.T) {
	for name, files := range map[string][]string{
		"gap": {"0001_a.sql", "0003_b.sql"}, "twice": {"0001_a.sql", "1_b.sql"}, "no number": {"x_a.sql"}, "no name": {"0001.sql"},
	} {
		fs := fstest.MapFS{}
		for _, f := range files {
			fs["m/"+f] = &fstest.MapFile{Data: []byte("SELECT 1;\n")}
		}
		if _, err := readMigrations(fs, "m"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSplit(t *testing.T) {
	got := split("-- a comment;\nSELECT ';' AS a\n  FROM t;\n\n;\nSELECT 2;  \nSELECT 3")
	want := []string{"SELECT ';' AS a\n  FROM t", "SELECT 2", "SELECT 3"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
}
