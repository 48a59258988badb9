package recommender_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// What is seen in monitor and was missed in discovery becomes rules, and only
// that: a recommendation is put into monitor with a tenth of its rules lost, and
// half of what it would then block is reported.
func TestProposalsCompleteAMonitoredSet(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	opt := recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks}
	whole := recommended(t, m, probes, opt)
	live := whole.Set.AtStage(policy.Monitor)
	n := 0
	for i := range live.Policies {
		var rules []policy.Rule
		for _, r := range live.Policies[i].Rules {
			if n++; n%10 != 0 {
				rules = append(rules, r)
			}
		}
		live.Policies[i].Rules = rules
	}
	seen, quiet := violations(m, live)
	opt.Base = live
	got, err := recommender.Propose(m, probes, seen, opt)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rules) == 0 || len(got.Rules) != len(got.Evidence) || len(got.Decisions) == 0 {
		t.Fatalf("%d rules with %d evidence, %d decisions", len(got.Rules), len(got.Evidence), len(got.Decisions))
	}
	for i, r := range got.Rules {
		if r.Violations == 0 || got.Evidence[i].Flows == 0 || got.Evidence[i].Rule != r.Rule {
			t.Errorf("%s stands on %d violations, evidence %+v", r, r.Violations, got.Evidence[i].EdgeStats)
		}
	}
	asked := map[string]bool{}
	for _, d := range got.Decisions {
		for _, dep := range d.Deps {
			asked[depName(m, dep)] = true
		}
	}
	judge := policy.NewEvaluator(got.Set)
	verdict := func(d topology.Dependency) policy.Outcome {
		return judge.Evaluate(policy.Facts{Client: recommender.PartyOf(m, d.Client), Server: recommender.PartyOf(m, d.Server), Service: d.Service}).Outcome
	}
	legitimate := map[string]bool{}
	for _, x := range e.Truth().Edges {
		legitimate[x.ClientID+" "+x.ServerID+" "+x.Service.String()] = x.Legitimate
	}
	for i := range m.Graph.Deps {
		d := m.Graph.Deps[i]
		if o := verdict(d); legitimate[depName(m, d)] && o == policy.WouldBlock && !quiet[i] {
			t.Errorf("%s was reported, is legitimate, and is still %s", depName(m, d), o)
		}
	}
	opened := 0
	for i := range quiet {
		if verdict(m.Graph.Deps[i]) == policy.Allowed {
			opened++ // covered by a group's rule
		}
	}
	if opened == len(quiet) {
		t.Error("what nobody reported was all opened too")
	}
}

func depName(m *topology.Map, d topology.Dependency) string {
	return m.Graph.Nodes[d.Client].ID + " " + m.Graph.Nodes[d.Server].ID + " " + d.Service.String()
}

// violations reports the dependencies that live would block, those of every second
// server; the others, by index, are not reported.
func violations(m *topology.Map, live *policy.Set) (seen []policy.Violation, quiet map[int]bool) {
	judge := policy.NewEvaluator(live)
	quiet = map[int]bool{}
	for i := range m.Graph.Deps {
		d := &m.Graph.Deps[i]
		v := judge.Evaluate(policy.Facts{Client: recommender.PartyOf(m, d.Client), Server: recommender.PartyOf(m, d.Server), Service: d.Service})
		switch {
		case v.Outcome != policy.WouldBlock:
		case d.Server%2 == 0:
			quiet[i] = true
		default:
			seen = append(seen, policy.Violation{Time: d.Last, Client: partyOf(m, d.Client), Server: partyOf(m, d.Server), Service: d.Service,
				Inbound: true, Outcome: v.Outcome, Policy: v.Policy})
		}
	}
	return seen, quiet
}

func partyOf(m *topology.Map, i int32) flow.Party {
	n := &m.Graph.Nodes[i]
	p := flow.Party{Addr: n.Addrs[0]}
	if n.Kind == topology.NodeWorkload {
		p.Workload = topology.WorkloadKey(n.ID)
	}
	return p
}

// A violation that no established traffic stands behind asks a person, unless a rule
// denies it already; one between strangers is only counted.
func TestAViolationAloneProvesNothing(t *testing.T) {
	m := smallMap([]sighting{{"web", "api", "tcp/443", 900, 9, flow.EvidenceSYN}})
	base, err := policy.Parse([]byte(`apiVersion: bulkhead/v1
kind: Policy
metadata: {name: pay-prod}
spec:
  scope: {app: pay, env: prod}
  stage: monitor
  rules:
  - {name: no-jump, action: override-deny, from: [{role: jump}], to: [{app: pay}]}
`), "base")
	if err != nil {
		t.Fatal(err)
	}
	at := func(id string) flow.Party {
		for i := range m.Graph.Nodes {
			if m.Graph.Nodes[i].ID == id {
				return partyOf(m, int32(i))
			}
		}
		return flow.Party{Addr: netip.MustParseAddr(id)}
	}
	stop := func(client, service string) policy.Violation {
		svc, err := flow.ParseService(service)
		if err != nil {
			t.Fatal(err)
		}
		return policy.Violation{Time: m.Until - 1, Client: at(client), Server: at("api"), Service: svc, Outcome: policy.WouldBlock, Suppressed: 3}
	}
	seen := []policy.Violation{stop("web", "tcp/443"), stop("mon", "tcp/9100"), stop("jump", "tcp/22"), stop("10.99.99.99", "tcp/443")}
	got, err := recommender.Propose(m, nil, seen, recommender.Options{Level: policy.ServiceLevel, Base: base})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Rules) != 1 || got.Rules[0].Violations != 4 || got.Rules[0].Rule != "shop-web-to-api" {
		t.Errorf("rules %+v, want web to api for 4 violations", got.Rules)
	}
	if len(got.Decisions) != 1 || got.Decisions[0].Concern != policy.ConcernUnproven || !strings.Contains(got.Decisions[0].Title, "tcp/9100") {
		t.Errorf("decisions %+v, want the monitoring's port alone", got.Decisions)
	}
	if len(got.Notes) == 0 || !strings.HasPrefix(got.Notes[0], "4 violations are between addresses the map does not know") {
		t.Errorf("notes %q", got.Notes)
	}
	again, err := recommender.Propose(m, nil, seen, recommender.Options{Level: policy.ServiceLevel, Base: base,
		Answers: map[string]string{got.Decisions[0].ID: policy.AnswerAllow}})
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Rules) != 2 {
		t.Errorf("allowed by hand: rules %+v", again.Rules)
	}
}
