package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/policy"
)

func mustParse(t testing.TB, doc string) *policy.Set {
	t.Helper()
	s, err := policy.Parse([]byte(doc), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pay(rules string) string {
	return "apiVersion: bulkhead/v1\nkind: Policy\nmetadata: {name: pay}\nspec:\n  scope: {app: pay}\n  stage: enforce\n  rules:\n" + rules
}

func TestLint(t *testing.T) {
	workloads := []policy.Party{workload("10.0.0.1", "app", "pay", "role", "web"), workload("10.0.0.2", "app", "pay", "role", "db"), workload("10.0.0.3", "app", "shop")}
	for _, c := range []struct {
		name, rules string
		want        []string
	}{
		{"nothing wrong", "  - {name: a, from: [{role: web}], to: [{app: pay}], services: [tcp/443]}\n", nil},
		{"redundant: the other is wider in every way",
			"  - {name: narrow, from: [{role: web, app: pay}], to: [{role: db, app: pay}], services: [tcp/443]}\n  - {name: wide, from: [{role: [web, db]}], to: [{app: pay}], services: [tcp/400-500]}\n",
			[]string{"pay/narrow: redundant"}},
		{"two rules with one meaning: the later name is redundant",
			"  - {name: a, from: [{role: web}], to: [{app: pay}], services: [https]}\n  - {name: b, from: [{role: web}], to: [{app: pay}], services: [tcp/443]}\n",
			[]string{"pay/b: redundant"}},
		{"a process is narrower than none",
			"  - {name: a, from: [{role: web}], to: [{app: pay}], services: [tcp/1]}\n  - {name: b, from: [{role: web}], to: [{app: pay}], services: [tcp/1], process: x.service}\n",
			[]string{"pay/b: redundant"}},
		{"shadowed by an override-deny",
			"  - {name: a, from: [{role: web}], to: [{app: pay}], services: [tcp/1]}\n  - {name: stop, action: override-deny, from: [any], to: [any], services: [tcp/1-9]}\n",
			[]string{"pay/a: shadowed"}},
		{"contradictory",
			"  - {name: a, from: [{role: web}], to: [{app: pay}], services: [tcp/1]}\n  - {name: b, action: deny, from: [{role: web}], to: [{app: pay}], services: [tcp/1]}\n",
			[]string{"pay/b: contradictory"}},
		{"outside the scope", "  - {name: a, from: [{app: pay}], to: [{app: shop}], services: [tcp/1]}\n", []string{"pay/a: outside-scope"}},
		{"too broad", "  - {name: a, from: [any], to: [{app: pay}]}\n  - {name: b, from: [{network: internet}], to: [{role: web, app: pay}], services: [ssh]}\n",
			[]string{"pay/a: too-broad", "pay/b: redundant", "pay/b: too-broad"}},
		{"no match", "  - {name: a, from: [{role: wbe}], to: [{app: pay}], services: [tcp/1]}\n", []string{"pay/a: no-match"}},
	} {
		var got []string
		for _, l := range policy.Check(mustParse(t, pay(c.rules)), workloads, nil) {
			got = append(got, l.Policy+"/"+l.Rule+": "+string(l.Kind))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// What lint calls redundant or shadowed can be left out without any flow noticing.
func TestLintedRulesDoNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := genSet(t)
		for _, l := range policy.Check(set, nil, nil) {
			if l.Kind != policy.LintRedundant && l.Kind != policy.LintShadowed && l.Kind != policy.LintOutside {
				continue
			}
			without := set.Normal()
			for i := range without.Policies {
				if p := &without.Policies[i]; p.Name == l.Policy {
					var kept []policy.Rule
					for _, r := range p.Rules {
						if r.Name != l.Rule {
							kept = append(kept, r)
						}
					}
					p.Rules = kept
				}
			}
			for range 10 {
				f := genFacts(t)
				if a, b := policy.Evaluate(set, f), policy.Evaluate(without, f); a.Outcome != b.Outcome {
					t.Fatalf("%s\n but without it %+v is %s, with it %s\n%s", l, f, b.Outcome, a.Outcome, policy.Format(set))
				}
			}
		}
	})
}

func TestDiffIsSemantic(t *testing.T) {
	old := mustParse(t, pay("  - {name: a, from: [{role: web, app: pay}], to: [{role: api, app: pay}], services: [tcp/443]}\n"))
	renamed := mustParse(t, pay("  - {name: other, description: x, from: [{role: web, app: pay}], to: [{role: api, app: pay}], services: [https]}\n"))
	if d := policy.Diff(old, renamed, nil); len(d) != 0 {
		t.Errorf("a rename is no change: %v", d)
	}
	wider := mustParse(t, pay("  - {name: a, from: [{role: web, app: pay}, {role: job, app: pay}], to: [{role: api, app: pay}], services: [tcp/443, tcp/444]}\n"))
	var got []string
	for _, c := range policy.Diff(old, wider, nil) {
		got = append(got, c.String())
	}
	want := []string{
		"job of pay can newly reach api of pay on tcp/443-444",
		"web of pay can newly reach api of pay on tcp/444",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if back := policy.Diff(wider, old, nil); len(back) != 2 || !back[0].Closes() || back[0].Opens() {
		t.Errorf("the way back: %v", back)
	}
}

// Diff finds nothing exactly where no flow between the parties tells the sets apart.
func TestDiffAgreesWithEvaluate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genSet(t), genSet(t)
		var parties []policy.Party
		for range 4 {
			parties = append(parties, genParty(t))
		}
		changes := policy.Diff(a, b, parties)
		for range 10 {
			f := genFacts(t)
			f.Process, f.ClientProcess = "", ""
			f.Client = rapid.SampledFrom(parties).Draw(t, "client")
			f.Server = rapid.SampledFrom(parties).Draw(t, "server")
			va, vb := policy.Evaluate(a, f), policy.Evaluate(b, f)
			same := va.Outcome == vb.Outcome || (va.Outcome != policy.Blocked && va.Outcome != policy.WouldBlock && vb.Outcome != policy.Blocked && vb.Outcome != policy.WouldBlock)
			if !same && len(changes) == 0 {
				t.Fatalf("%s and %s, but no change\n%+v", va.Outcome, vb.Outcome, f)
			}
		}
	})
}

func TestAssertions(t *testing.T) {
	set := mustParse(t, pay(`  - {name: a, from: [{role: web, app: pay}], to: [{role: api, app: pay}], services: [tcp/443, tcp/8443]}
  - {name: b, from: [{network: internet}], to: [{role: web, app: pay}], services: [https]}
`)+"---\napiVersion: bulkhead/v1\nkind: Policy\nmetadata: {name: dev}\nspec: {scope: {env: dev}, rules: []}\n")
	doc := `
role=web,app=pay reaches role=api on tcp/443
role=web,app=pay reaches role=api on https, tcp/8443   # all of them
role=web,app=pay reaches role=api
role=web,app=pay reaches role=api on ssh               # FAILS: blocked
dev cannot reach pay
internet reaches web on https
internet cannot reach web on ssh
internet cannot reach web                              # FAILS: https is allowed
internet cannot reach api
192.0.2.1 reaches role=web on tcp/443
10.1.2.3 cannot reach app=pay
nobody cannot reach pay                                # FAILS: nobody is nobody
dev reaches dev                                        # FAILS: no rule
`
	list, err := policy.ParseAssertions([]byte(doc), "pay.test")
	if err != nil {
		t.Fatal(err)
	}
	failed := map[int]string{}
	for _, f := range policy.RunAssertions(set, list, nil) {
		failed[f.Assertion.Line] = f.Why
	}
	for i, line := range strings.Split(doc, "\n") {
		why, got := failed[i+1]
		if want := strings.Contains(line, "FAILS"); want != got {
			t.Errorf("%s: failed %v (%s)", line, got, why)
		}
	}
	for text, want := range map[string]string{
		"web may reach db":         "t:1: want FROM reaches TO",
		"a reaches b on tcp/99999": `t:1: service "tcp/99999"`,
		"a reaches b over tcp/1":   `t:1: after "b" want: on SERVICE`,
		"\n=x reaches b":           `t:2: "=x": want labels`,
	} {
		if _, err := policy.ParseAssertions([]byte(text), "t"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestExplainSaysWhyNot(t *testing.T) {
	set := mustParse(t, truthPolicies)
	f := policy.Facts{Client: truthParties["laptop"], Server: truthParties["api"]}
	f.Service.Proto, f.Service.Port = 6, 443
	x := policy.Explain(set, f)
	if x.Verdict != policy.Evaluate(set, f) {
		t.Errorf("explained %+v", x.Verdict)
	}
	for _, want := range []string{"blocked", "server's end (inbound)", `pay/web-to-api (allow): the client is not role=web app=pay`, "pay/telnet-ok (allow): the client is not app=pay; the server is not 192.0.2.0/24; tcp/443 is not tcp/23"} {
		if !strings.Contains(x.String(), want) {
			t.Errorf("no %q in:\n%s", want, x)
		}
	}
}
