package export_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// powerLine is a New-NetFirewallRule with its strings taken out: only parameters
// the cmdlet has (NetSecurity module) and plain words.
var powerLine = regexp.MustCompile(`^New-NetFirewallRule -Name S -DisplayName S -Group S -Description S -Direction (Inbound|Outbound) -Action (Allow|Block) -Enabled (True|False) -Profile Any -Protocol (Any|TCP|UDP|ICMPv4|ICMPv6|[0-9]+)( -IcmpType @\(S(, S)*\))?( -(Local|Remote)Port @\(S(, S)*\))?( -LocalAddress @\(S(, S)*\))?( -RemoteAddress @\(S(, S)*\))? \| Out-Null$`)

func TestWindowsScriptHoldsOnlyRules(t *testing.T) {
	quoted := regexp.MustCompile(`'(?:[^']|'')*'`)
	for _, text := range hostile {
		in := shop(t)
		withDescription(&in, "x"+strings.Map(dropControls, text))
		out, _ := render(t, "windows", in)
		rules := 0
		for _, line := range strings.Split(out, "\r\n") {
			if bare := quoted.ReplaceAllString(line, "S"); strings.HasPrefix(bare, "New-") {
				rules++
				if !powerLine.MatchString(bare) {
					t.Errorf("%q: %s", text, bare)
				}
			} else if bare != "" && !strings.HasPrefix(bare, "#") && !slices.ContainsFunc([]string{"$ErrorActionPreference = S", "Get-NetFirewallRule -Group S ", "$own = (Get-NetIPAddress).IPAddress", "if ($own | Where-Object"}, func(p string) bool { return strings.HasPrefix(bare, p) }) {
				t.Errorf("%q: a line that is no rule: %s", text, bare)
			}
		}
		if rules != 22 {
			t.Errorf("%q: %d rules, want 22", text, rules)
		}
	}
}
