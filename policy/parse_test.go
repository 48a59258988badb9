package policy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/policy"
)

const policyHead = "apiVersion: bulkhead/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n"

func TestParseErrorsNameThePlaceAndTheWord(t *testing.T) {
	rule := func(s string) string { return policyHead + "  scope: {app: a}\n  rules:\n  - " + s + "\n" }
	for _, c := range []struct{ doc, want string }{
		{"apiVersion: bulkhead/v2\nkind: Policy\nspec: {}\n", `f.yaml:1: apiVersion "bulkhead/v2", want "bulkhead/v1"`},
		{"apiVersion: bulkhead/v1\nkind: Polcy\nspec: {}\n", `f.yaml:1: unknown kind "Polcy"; did you mean "Policy"?`},
		{policyHead + "  scop: {app: a}\n", `f.yaml:5: unknown key "scop"; did you mean "scope"?`},
		{policyHead + "  scope: {app: a}\n  stage: enforced\n", `f.yaml:6: unknown stage "enforced"; did you mean "enforce"?`},
		{policyHead + "  rules: []\n", `f.yaml:5: policy "p" has no scope`},
		{policyHead + "  scope: {app: a, app: b}\n", `f.yaml:5: label "app" appears twice`},
		{policyHead + "  scope: {app: }\n", `f.yaml:5: label "app" has no value`},
		{rule("{name: r, from: [any], to: [any], srvices: [tcp/1]}"), `f.yaml:7: unknown key "srvices"; did you mean "services"?`},
		{rule("{name: r, from: [any], to: [any], services: [htps]}"), `f.yaml:7: unknown service "htps"; did you mean "https"?`},
		{rule("{name: r, from: [any], to: [any], services: [tcp/99999]}"), `f.yaml:7: service "tcp/99999": "99999" is not a port`},
		{rule("{name: r, from: [any], to: [any], services: [tcp/20-10]}"), `f.yaml:7: service "tcp/20-10": the range 20-10 ends before it begins`},
		{rule("{name: r, from: [any], to: [any], services: [icmp/echo]}"), `f.yaml:7: service "icmp/echo": unknown type "echo"; known: destination-unreachable, echo-reply`},
		{rule("{name: r, from: [any], to: []}"), `f.yaml:7: policy "p" rule "r": from and to need at least one peer each`},
		{rule("{name: r, from: [web], to: [any]}"), `f.yaml:7: a peer is labels, {network: …}, {cidr: …}, {domain: …} or any, not "web"`},
		{rule("{name: r, from: [{network: internt}], to: [any]}"), `f.yaml:7: policy "p" rule "r": unknown network "internt"; did you mean "internet"?`},
		{rule("{name: r, from: [{cidr: 10.0.0.1/8}], to: [any]}"), `f.yaml:7: 10.0.0.1/8 has bits set beyond its length; did you mean 10.0.0.0/8?`},
		{rule("{name: r, from: [{domain: 'a b'}], to: [any]}"), `f.yaml:7: policy "p" rule "r": "a b" is not a domain name`},
		{rule("{name: 'r; drop', from: [any], to: [any]}"), `f.yaml:7: policy "p" rule "r; drop": name "r; drop": want 1 to 127 letters`},
		{rule("{name: r, from: [any], to: [any]}\n  - {name: r, from: [any], to: [any]}"), `f.yaml:8: policy "p" rule "r": the name appears twice`},
		{policyHead + "  scope: {app: a}\n---\n" + policyHead + "  scope: {app: b}\n", `f.yaml:7: policy "p" appears twice, first on line 1`},
		{policyHead + "  scope: &x {app: a}\n", `f.yaml:5: anchors and aliases are not supported`},
		{"apiVersion: bulkhead/v1\nkind: AlwaysAllowed\nspec: {exceptions: [{name: loopback, networks: [127.0.0.0/8]}]}\n", `the always-allowed list leaves out "icmp-errors"`},
		{"a: [", "f.yaml: "},
	} {
		_, err := policy.Parse([]byte(c.doc), "f.yaml")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got  %v\n want %s", c.doc, err, c.want)
		}
	}
}

func TestHashIgnoresOrderAndSeesMeaning(t *testing.T) {
	parse := func(rules string) string {
		s, err := policy.Parse([]byte(policyHead+"  scope: {app: a, env: b}\n  rules:\n"+rules), "f.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return s.Hash()
	}
	a := parse("  - {name: x, from: [any], to: [{app: a, role: r}], services: [tcp/1, udp/2]}\n  - {name: y, from: [any], to: [any]}\n")
	b := parse("  - {name: y, to: [any], from: [any]}\n  - {name: x, services: [udp/2, tcp/1], from: [any], to: [{role: r, app: a}]}\n")
	c := parse("  - {name: y, to: [any], from: [any]}\n  - {name: x, services: [udp/2, tcp/2], from: [any], to: [{role: r, app: a}]}\n")
	if a != b {
		t.Error("two orders of one set have two hashes")
	}
	if a == c {
		t.Error("two sets have one hash")
	}
}

// TestInternetIsTheComplement derives the built-in network from the ranges it
// must leave out.
func TestInternetIsTheComplement(t *testing.T) {
	var special []netip.Prefix
	for _, s := range []string{"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3"} {
		special = append(special, netip.MustParsePrefix(s))
	}
	var complement []netip.Prefix
	var walk func(p netip.Prefix)
	walk = func(p netip.Prefix) {
		overlaps := slices.ContainsFunc(special, p.Overlaps)
		inside := slices.ContainsFunc(special, func(s netip.Prefix) bool { return s.Bits() <= p.Bits() && s.Contains(p.Addr()) })
		switch {
		case !overlaps:
			complement = append(complement, p)
		case !inside:
			low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
			b := p.Addr().As4()
			b[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
			walk(low)
			walk(netip.PrefixFrom(netip.AddrFrom4(b), p.Bits()+1))
		}
	}
	walk(netip.MustParsePrefix("0.0.0.0/0"))
	complement = append(complement, netip.MustParsePrefix("2000::/3"))
	if got := policy.Internet().Prefixes; !slices.Equal(got, complement) {
		t.Errorf("got  %v\nwant %v", got, complement)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(truthPolicies))
	f.Add([]byte(policyHead + "  scope: {app: [a, b], env: {not: [c]}}\n"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		set, err := policy.Parse(doc, "f.yaml")
		if (err == nil) == (set == nil) {
			t.Fatalf("set %v, error %v", set, err)
		}
		if err != nil {
			return
		}
		if _, err := policy.Parse(policy.Format(set), "again.yaml"); err != nil {
			t.Fatalf("its own format is refused: %v\n%s", err, policy.Format(set))
		}
	})
}
