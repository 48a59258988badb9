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

// terraformArguments are those of the providers' schemas that we write, required
// ones first.
var terraformArguments = map[string]struct{ required, optional string }{
	"aws_security_group":                  {"", "name description vpc_id"},
	"aws_vpc_security_group_ingress_rule": {"security_group_id ip_protocol", "from_port to_port cidr_ipv4 cidr_ipv6 referenced_security_group_id description"},
	"aws_vpc_security_group_egress_rule":  {"security_group_id ip_protocol", "from_port to_port cidr_ipv4 cidr_ipv6 referenced_security_group_id description"},
	"azurerm_network_security_group":      {"name resource_group_name location", ""},
	"azurerm_application_security_group":  {"name resource_group_name location", ""},
	"azurerm_network_security_rule": {"name priority direction access protocol resource_group_name network_security_group_name",
		"source_port_range destination_port_range destination_port_ranges source_address_prefix source_address_prefixes destination_address_prefix destination_address_prefixes source_application_security_group_ids destination_application_security_group_ids"},
	"google_compute_firewall": {"name network", "direction priority target_tags source_tags source_ranges destination_ranges allow deny"},
}

func TestTerraformArguments(t *testing.T) {
	head := regexp.MustCompile(`^resource "([a-z_]+)" "([A-Za-z][A-Za-z0-9_-]*)" \{$`)
	argument := regexp.MustCompile(`^  ([a-z_0-9]+) (= .*|\{.*)$`)
	for _, format := range []string{"terraform-aws", "terraform-azure", "terraform-google"} {
		for _, text := range hostile {
			in := shop(t)
			withDescription(&in, "x"+strings.Map(dropControls, text))
			out, _ := render(t, format, in)
			seen, resources := map[string]bool{}, 0
			kind, given := "", []string{}
			for _, line := range strings.Split(out, "\n") {
				if m := head.FindStringSubmatch(line); m != nil {
					kind, given = m[1], nil
					if resources++; seen[m[1]+m[2]] {
						t.Errorf("%s: two resources %s %s", format, m[1], m[2])
					}
					seen[m[1]+m[2]] = true
					continue
				}
				if m := argument.FindStringSubmatch(line); m != nil && kind != "" {
					given = append(given, m[1])
				}
				if line == "}" && kind != "" {
					checkArguments(t, kind, given)
					kind = ""
				}
			}
			if resources < 8 {
				t.Errorf("%s: %d resources", format, resources)
			}
		}
	}
}

func checkArguments(t *testing.T, kind string, given []string) {
	t.Helper()
	known := terraformArguments[kind]
	for _, want := range strings.Fields(known.required) {
		if !slices.Contains(given, want) {
			t.Errorf("%s lacks %s", kind, want)
		}
	}
	for _, g := range given {
		if !slices.Contains(strings.Fields(known.required+" "+known.optional), g) {
			t.Errorf("%s has no argument %s", kind, g)
		}
	}
}
