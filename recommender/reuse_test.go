package recommender_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// origins counts the changes of each origin.
func origins(rec *policy.Recommendation) map[policy.RuleOrigin]int {
	out := map[policy.RuleOrigin]int{}
	for _, c := range rec.Changes {
		out[c.Origin]++
	}
	return out
}

// A recommendation that builds on itself changes nothing, at any level, byte for
// byte, whatever was answered.
func TestRecommendingOnItselfChangesNothing(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	for level := policy.Ringfence; level <= policy.WorkloadLevel; level++ {
		opt := recommender.Options{Level: level, Networks: e.Inventory(true).Networks}
		first := recommended(t, m, probes, opt)
		opt.Answers = map[string]string{first.Decisions[0].ID: policy.AnswerAllow}
		first = recommended(t, m, probes, opt)
		opt.Base = first.Set
		again := recommended(t, m, probes, opt)
		if a, b := policy.Format(first.Set), policy.Format(again.Set); !bytes.Equal(a, b) {
			t.Errorf("%s: the set changed", level)
		}
		if o := origins(again); o[policy.OriginKept] != countRules(first.Set) || len(o) != 1 {
			t.Errorf("%s: %d rules, origins %v, want all kept", level, countRules(first.Set), o)
		}
		if len(again.Evidence) != len(first.Evidence) {
			t.Errorf("%s: evidence for %d rules, was %d", level, len(again.Evidence), len(first.Evidence))
		}
	}
}

func recommended(t *testing.T, m *topology.Map, probes []flow.Probe, opt recommender.Options) *policy.Recommendation {
	t.Helper()
	rec, err := recommender.Recommend(m, probes, opt)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// Whatever part of a recommendation is taken as the base, the result allows all
// that is legitimate, and the rules of the base keep their names.
func TestPartsOfARecommendationAreCompleted(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	opt := recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks}
	whole := recommended(t, m, probes, opt)
	for _, every := range []int{2, 3, 7} {
		base := *whole.Set
		base.Policies = nil
		kept := map[string]bool{}
		n := 0
		for _, p := range whole.Set.Policies {
			p.Stage = policy.Monitor
			rules := p.Rules
			p.Rules = nil
			for _, r := range rules {
				if n++; n%every != 0 {
					p.Rules = append(p.Rules, r)
					kept[p.Name+"/"+r.Name] = true
				}
			}
			base.Policies = append(base.Policies, p)
		}
		opt.Base = &base
		rec := recommended(t, m, probes, opt)
		s := score(m, rec.Set, e.Truth(), partyByID(m))
		if s.legitimateAllowed != s.legitimate {
			t.Errorf("every %d. rule left out: %d of %d legitimate dependencies allowed", every, s.legitimateAllowed, s.legitimate)
		}
		if s.illegitimateAllowed > 2 {
			t.Errorf("every %d. rule left out: %d illegitimate allowed", every, s.illegitimateAllowed)
		}
		for _, p := range rec.Set.Policies {
			if p.Stage != policy.Monitor {
				t.Errorf("policy %s is at stage %s", p.Name, p.Stage)
			}
			for _, r := range p.Rules {
				delete(kept, p.Name+"/"+r.Name)
			}
		}
		if len(kept) > 0 {
			t.Errorf("every %d. rule left out: rules lost: %v", every, kept)
		}
		if rec.Before[0].Allowed >= rec.Coverage[0].Allowed {
			t.Errorf("every %d. rule left out: %d connections allowed before, %d after", every, rec.Before[0].Allowed, rec.Coverage[0].Allowed)
		}
		if o := origins(rec); countRules(rec.Set) > countRules(whole.Set)+2 || o[policy.OriginNew]+o[policy.OriginExtended] == 0 {
			t.Errorf("every %d. rule left out: %d rules, were %d; %v", every, countRules(rec.Set), countRules(whole.Set), o)
		}
		opt.Base = rec.Set
		if o := origins(recommended(t, m, probes, opt)); o[policy.OriginNew]+o[policy.OriginExtended] != 0 {
			t.Errorf("every %d. rule left out: the second run still changes: %v", every, o)
		}
	}
}

func partyByID(m *topology.Map) func(string) policy.Party {
	at := map[string]int32{}
	for i := range m.Graph.Nodes {
		at[m.Graph.Nodes[i].ID] = int32(i)
	}
	return func(id string) policy.Party { return recommender.PartyOf(m, at[id]) }
}

// reuseCases are rules of the policy of pay, and what becomes of them when web
// uses tcp/443 and tcp/8443 of api, and dev does tcp/443.
var reuseCases = []struct {
	name, rules string
	want        []string // changes, sorted by rule
}{
	{"nothing there", "[]", []string{"+ pay-prod/shop-web-to-api"}},
	{"one service short", "[{name: mine, from: [{role: web, app: shop, env: prod}], to: [{role: api, app: pay, env: prod}], services: [tcp/443]}]",
		[]string{"~ pay-prod/mine: services + tcp/8443"}},
	{"the same workloads in other words", "[{name: mine, from: [{role: web}], to: [{app: pay}], services: [tcp/443]}]",
		[]string{"~ pay-prod/mine: services + tcp/8443"}},
	{"another client", "[{name: mine, from: [{role: mon, app: monitoring, env: prod}], to: [{role: api, app: pay, env: prod}], services: [tcp/443, tcp/8443]}]",
		[]string{"~ pay-prod/mine: from + role=web app=shop env=prod"}},
	{"allowed already, by more", "[{name: mine, from: [any], to: [{app: pay}]}]", []string{"= pay-prod/mine"}},
	{"a rule nobody uses", "[{name: mine, from: [any], to: [{app: pay}]}, {name: old, from: [{role: mon}], to: [{app: pay}], services: [tcp/9]}]",
		[]string{"= pay-prod/mine", "? pay-prod/old: no connection of the window used it"}},
	{"denied by somebody", "[{name: no, action: override-deny, from: [{role: web}], to: [{app: pay}]}]", []string{"= pay-prod/no: it stops 2 dependencies"}},
	{"a rule for one process", "[{name: mine, from: [{role: web}], to: [{app: pay}], services: [tcp/443, tcp/8443], process: api.service}]", []string{"= pay-prod/mine"}},
}

func TestRulesThatAlmostFitAreExtended(t *testing.T) {
	m := smallMap([]sighting{{"web", "api", "tcp/443", 900, 9, flow.EvidenceSYN}, {"web", "api", "tcp/8443", 900, 9, flow.EvidenceSYN}})
	for _, c := range reuseCases {
		text := "apiVersion: bulkhead/v1\nkind: Policy\nmetadata: {name: pay-prod}\nspec: {scope: {app: pay, env: prod}, stage: enforce, rules: " + c.rules + "}\n"
		base, err := policy.Parse([]byte(text), c.name)
		if err != nil {
			t.Fatal(err)
		}
		rec := recommended(t, m, nil, recommender.Options{Level: policy.ServiceLevel, Base: base, Scope: topology.Labels{"app": "pay"}})
		var got []string
		for _, x := range rec.Changes {
			got = append(got, x.String())
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], c.want[i]) {
				t.Errorf("%s: %q, want %q", c.name, got[i], c.want[i])
			}
		}
		if rec.Set.Policies[0].Stage != policy.Enforce {
			t.Errorf("%s: the stage became %s", c.name, rec.Set.Policies[0].Stage)
		}
	}
}

// Networks of the base that are exactly the addresses a rule would list are named
// instead.
func TestNamedNetworksAreUsedAgain(t *testing.T) {
	m := smallMap([]sighting{{"10.9.9.9", "web", "tcp/443", 900, 9, flow.EvidenceSYN}})
	for i := range m.Graph.Nodes {
		if m.Graph.Nodes[i].ID == "10.9.9.9" {
			m.Graph.Nodes[i].Addrs = append(m.Graph.Nodes[i].Addrs, netip.MustParseAddr("10.9.9.10"))
		}
	}
	base := &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed(), Networks: []topology.Network{
		{Name: "kiosks", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.9.9.9/32"), netip.MustParsePrefix("10.9.9.10/32")}},
		{Name: "larger", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.9.9.0/24"), netip.MustParsePrefix("10.9.8.0/24")}}},
		Policies: []policy.Policy{{Name: "other", Scope: policy.Select(topology.Labels{"app": "nobody"})}}}
	rec := recommended(t, m, nil, recommender.Options{Level: policy.ServiceLevel, Base: base, Scope: topology.Labels{"app": "shop"}})
	if got := fmt.Sprint(rec.Set.Policies[0].Rules[0].From); got != "[network kiosks]" {
		t.Errorf("from %s, want the network that is exactly these addresses", got)
	}
	if !slices.ContainsFunc(rec.Set.Networks, func(n topology.Network) bool { return n.Name == "larger" }) {
		t.Error("a network of the base is gone")
	}
}
