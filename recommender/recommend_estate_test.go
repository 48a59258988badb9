package recommender_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// With perfect labels every legitimate dependency of the estate is allowed at
// every level, and what is not legitimate is put before a person. At the levels
// of roles two things slip through: the infected workstation's SMB to servers that
// its role uses by SMB anyway.
func TestRecommendOnTheEstate(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	truth := e.Truth()
	at := map[string]int32{}
	for i := range m.Graph.Nodes {
		at[m.Graph.Nodes[i].ID] = int32(i)
	}
	party := func(id string) policy.Party { return recommender.PartyOf(m, at[id]) }
	for _, c := range []struct {
		level    policy.Level
		maxRules int
		maxLeaks int
	}{
		{policy.Ringfence, 180, 0},
		{policy.Tier, 120, 0},
		{policy.ServiceLevel, 190, 0},
		{policy.WorkloadLevel, 260, 0},
	} {
		rec, err := recommender.Recommend(m, probes, recommender.Options{Level: c.level, Networks: e.Inventory(true).Networks})
		if err != nil {
			t.Fatal(err)
		}
		s := score(m, rec.Set, truth, party)
		rules := countRules(rec.Set)
		t.Logf("%s: %d policies, %d rules, %d decisions; legitimate %d of %d, illegitimate %d of %d", c.level, len(rec.Set.Policies), rules,
			len(rec.Decisions), s.legitimateAllowed, s.legitimate, s.illegitimateAllowed, s.illegitimate)
		if s.legitimateAllowed != s.legitimate {
			t.Errorf("%s: legitimate dependencies missed:\n%s", c.level, strings.Join(s.missed[:min(10, len(s.missed))], "\n"))
		}
		if s.illegitimateAllowed > c.maxLeaks {
			t.Errorf("%s: illegitimate dependencies allowed:\n%s", c.level, strings.Join(s.leaked[:min(50, len(s.leaked))], "\n"))
		}
		if rules > c.maxRules {
			t.Errorf("%s: %d rules, want at most %d", c.level, rules, c.maxRules)
		}
		if len(rec.Evidence) != rules {
			t.Errorf("%s: %d rules, evidence for %d", c.level, rules, len(rec.Evidence))
		}
	}
}

func countRules(set *policy.Set) (n int) {
	for _, p := range set.Policies {
		n += len(p.Rules)
	}
	return n
}

// Every concern the estate was built with becomes a decision.
func TestDecisionsNameWhatIsWrongInTheEstate(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	rec, err := recommender.Recommend(m, probes, recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks})
	if err != nil {
		t.Fatal(err)
	}
	found, ids := map[policy.Concern]bool{}, map[string]bool{}
	for _, d := range rec.Decisions {
		if ids[d.ID] {
			t.Errorf("two decisions share the id %s", d.ID)
		}
		ids[d.ID] = true
		found[d.Concern] = true
		t.Logf("%s [%s] %s", d.Title, d.Concern, d.Why)
	}
	for _, x := range e.Truth().Edges {
		if !x.Legitimate && !found[x.Concern] {
			t.Errorf("nobody is asked about %s: %s → %s", x.Concern, x.ClientID, x.ServerID)
			found[x.Concern] = true
		}
	}
}

// The payment policy is short enough to read aloud.
func TestPaymentPolicyIsReadable(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	rec, err := recommender.Recommend(m, probes, recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks,
		Scope: topology.Labels{"app": "payments", "env": "prod"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Set.Policies) != 1 || len(rec.Set.Policies[0].Rules) > 12 {
		t.Errorf("want one policy of at most 12 rules, got:\n%s", policy.Format(rec.Set))
	}
	again, err := recommender.Recommend(m, probes, recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks,
		Scope: topology.Labels{"app": "payments", "env": "prod"}})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(policy.Format(rec.Set), policy.Format(again.Set)) {
		t.Error("two runs differ")
	}
}

// What the recommendation would break is exactly what it asks about.
func TestSimulationOfTheRecommendationBreaksOnlyWhatIsDecided(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	rec, err := recommender.Recommend(m, probes, recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks})
	if err != nil {
		t.Fatal(err)
	}
	sim, err := recommender.Simulate(rec.Set, m, probes, recommender.SimulateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	decided := 0
	for _, d := range rec.Decisions {
		decided += d.Total
	}
	t.Logf("totals %+v, %d rules, untouched %d, %d decided", sim.Totals, len(sim.Rules), sim.Untouched, decided)
	if got := sim.Totals[policy.ClassWouldBreak].Dependencies; got != decided {
		t.Errorf("%d dependencies would break, %d are up for decision", got, decided)
	}
	if sim.Legitimate.Dependencies != 0 || sim.Expected != sim.Totals[policy.ClassWouldBreak] {
		t.Errorf("what would break: %+v legitimate, %+v expected", sim.Legitimate, sim.Expected)
	}
	if got := sim.Totals[policy.ClassNeverUsed].Dependencies; got != 0 {
		t.Errorf("%d recommended rules were never used", got)
	}
	if sim.Totals[policy.ClassStopped].Connections == 0 {
		t.Error("no probe is stopped")
	}
	var flows, sorted uint64
	for _, d := range m.Graph.Deps {
		flows += d.Flows
	}
	for _, c := range []policy.Class{policy.ClassAllowed, policy.ClassWouldBreak} {
		sorted += sim.Totals[c].Connections
	}
	if flows != sorted+sim.Untouched {
		t.Errorf("%d connections, %d sorted and %d untouched", flows, sorted, sim.Untouched)
	}
}

// An allowed decision is a rule with evidence of its own; a denied one stays out.
func TestAnswersBecomeRules(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	opt := recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks}
	before, err := recommender.Recommend(m, probes, opt)
	if err != nil {
		t.Fatal(err)
	}
	opt.Answers = map[string]string{}
	for i, d := range before.Decisions {
		opt.Answers[d.ID] = []string{policy.AnswerAllow, policy.AnswerDeny, policy.AnswerWatch}[i%3]
	}
	after, err := recommender.Recommend(m, probes, opt)
	if err != nil {
		t.Fatal(err)
	}
	judge := policy.NewEvaluator(after.Set.AtStage(policy.Enforce))
	for i, d := range after.Decisions {
		if d.ID != before.Decisions[i].ID || d.Answer != opt.Answers[d.ID] {
			t.Errorf("decision %d: %s answered %q", i, d.ID, d.Answer)
		}
		for _, dep := range d.Deps {
			v := judge.Evaluate(policy.Facts{Client: recommender.PartyOf(m, dep.Client), Server: recommender.PartyOf(m, dep.Server), Service: dep.Service})
			if want := d.Answer == policy.AnswerAllow; want != (v.Outcome == policy.Allowed) {
				t.Errorf("%s was answered %s, and %s of %s is %s by %s: %s", d.Title, d.Answer, dep.Service, m.Graph.Nodes[dep.Server].ID, v.Outcome, v.Rule, v.Why)
			}
		}
	}
	decided := 0
	for _, ev := range after.Evidence {
		if ev.Decided {
			decided++
		}
	}
	if decided == 0 || len(after.Evidence) != countRules(after.Set) {
		t.Errorf("%d rules decided, %d evidence for %d rules", decided, len(after.Evidence), countRules(after.Set))
	}
}
