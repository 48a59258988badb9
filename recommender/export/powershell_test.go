package export_test

import (
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/internal/testenv"
)

// read is what a grammar of the whole language finds in a script.
type read struct {
	Errors   []string
	Commands []string
}

func readPowerShell(t *testing.T, scripts []string) []read {
	t.Helper()
	testenv.Need(t, "node", "ui")
	in, err := json.Marshal(scripts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", filepath.Join(testenv.Root(), "ui", "scripts", "powershell.mjs"))
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("read PowerShell: %v", err)
	}
	var found []read
	if err := json.Unmarshal(out, &found); err != nil || len(found) != len(scripts) {
		t.Fatalf("read PowerShell: %v, %d answers for %d scripts", err, len(found), len(scripts))
	}
	return found
}

// TestWindowsScriptIsPowerShell: whatever names come from the wire, the script is
// PowerShell, and runs the commands it would run without them.
func TestWindowsScriptIsPowerShell(t *testing.T) {
	plain, _ := render(t, "windows", shop(t))
	scripts := []string{plain, "New-NetFirewallRule -Name 'a", "New-NetFirewallRule -Name 'a'; Remove-Item b"}
	for _, text := range hostile {
		in := shop(t)
		withDescription(&in, "x"+strings.Map(dropControls, text))
		out, _ := render(t, "windows", in)
		scripts = append(scripts, out)
	}
	found := readPowerShell(t, scripts)
	want := found[0].Commands
	count := map[string]int{}
	for _, c := range want {
		count[c]++
	}
	expected := map[string]int{"Get-NetFirewallRule": 1, "Remove-NetFirewallRule": 1, "New-NetFirewallRule": 22, "Out-Null": 22,
		"Get-NetIPAddress": 1, "Where-Object": 2, "Set-NetFirewallProfile": 2}
	if !maps.Equal(count, expected) {
		t.Errorf("commands (-want +got):\n%s", cmp.Diff(expected, count))
	}
	if len(found[1].Errors) == 0 || !slices.Contains(found[2].Commands, "Remove-Item") {
		t.Errorf("a string without an end gives %q, a second command %q: this check cannot fail", found[1].Errors, found[2].Commands)
	}
	for i, f := range append(found[:1:1], found[3:]...) {
		if len(f.Errors) > 0 || !slices.Equal(f.Commands, want) {
			t.Errorf("script %d: no PowerShell at %q; commands (-want +got):\n%s", i, f.Errors, cmp.Diff(want, f.Commands))
		}
	}
}
