package export_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bulkhead/bulkhead/internal/testenv"
)

// capirca compiles the three files to every target named in them.
func TestCapircaCompiles(t *testing.T) {
	testenv.Need(t, "aclgen")
	dir := t.TempDir()
	for name, format := range map[string]string{"pol/bulkhead.pol": "capirca", "def/bulkhead.net": "capirca-networks", "def/bulkhead.svc": "capirca-services"} {
		text, _ := render(t, format, shop(t))
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("aclgen", "--base_directory", dir, "--definitions_directory", filepath.Join(dir, "def"), "--output_directory", out)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	files, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 9 {
		t.Errorf("%d targets of 9 were written: %v\n%s", len(files), files, text)
	}
}
