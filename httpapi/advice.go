package httpapi

import (
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi/view"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// The types below are the recommendation, the simulation and the reach as the
// dashboard reads them: nodes are named instead of numbered, selectors and
// services are in words.

type adviceDoc struct {
	Level     policy.Level      `json:"level"`
	Since     flow.Time         `json:"since"`
	Until     flow.Time         `json:"until"`
	Policies  []policyDoc       `json:"policies"`
	Decisions []decisionDoc     `json:"decisions"`
	Coverage  []policy.Coverage `json:"coverage"`
	Before    []policy.Coverage `json:"coverageBefore"` // of what it builds on; empty for nothing
	Always    []exceptionDoc    `json:"alwaysAllowed"`
	Notes     []string          `json:"notes"`
	Changes   []ruleChange      `json:"changes"` // to what it builds on; empty when that is nothing
}

// ruleChange is what became of one rule of the policies that were built on.
type ruleChange struct {
	Policy string            `json:"policy"`
	Rule   string            `json:"rule"`
	Origin policy.RuleOrigin `json:"origin"`
	Why    string            `json:"why"`
}

type policyDoc struct {
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Scope       string        `json:"scope"`
	Stage       policy.Stage  `json:"stage"`
	Egress      policy.Egress `json:"egress"`
	Rules       []ruleDoc     `json:"rules"`
}

type ruleDoc struct {
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Action      policy.Action `json:"action"`
	From        []string      `json:"from"`
	To          []string      `json:"to"`
	Services    []string      `json:"services"` // empty: every service
	Process     string        `json:"process,omitempty"`
	Evidence    *evidenceDoc  `json:"evidence,omitempty"`
}

type evidenceDoc struct {
	flow.EdgeStats
	Clients    int           `json:"clients"`
	Servers    int           `json:"servers"`
	Rhythm     flow.Rhythm   `json:"rhythm"`
	Decided    bool          `json:"decided,omitempty"` // a person allowed it
	Confidence float64       `json:"ruleConfidence"`
	Examples   []view.DepRow `json:"examples"`
}

type decisionDoc struct {
	ID       string            `json:"id"`
	Concern  policy.Concern    `json:"concern"`
	Title    string            `json:"title"`
	Why      string            `json:"why"`
	Policy   string            `json:"policy"`
	Rule     ruleDoc           `json:"rule"`
	Deps     []view.DepRow     `json:"dependencies"`
	Total    int               `json:"total"`
	Stats    flow.EdgeStats    `json:"stats"`
	Priority topology.Priority `json:"priority"`
	Answer   string            `json:"answer"` // "" while nobody has said
}

type exceptionDoc struct {
	Name     string   `json:"name"`
	Services []string `json:"services"`
	Why      string   `json:"why"`
}

// advice names everything in a recommendation.
func advice(rec *policy.Recommendation, x *view.Index) adviceDoc {
	d := adviceDoc{
		Level: rec.Level, Since: rec.Since, Until: rec.Until, Policies: []policyDoc{}, Decisions: []decisionDoc{},
		Coverage: orEmpty(rec.Coverage), Before: orEmpty(rec.Before), Always: []exceptionDoc{}, Notes: orEmpty(rec.Notes),
	}
	evidence := map[[2]string]*evidenceDoc{}
	for i := range rec.Evidence {
		e := &rec.Evidence[i]
		evidence[[2]string{e.Policy, e.Rule}] = &evidenceDoc{e.EdgeStats, e.Clients, e.Servers, flow.RhythmOf(&e.EdgeStats, rec.Since, rec.Until), e.Decided, e.Confidence, rows(e.Examples, x)}
	}
	for i := range rec.Set.Policies {
		p := &rec.Set.Policies[i]
		pd := policyDoc{Name: p.Name, Description: p.Description, Scope: selectorText(p.Scope), Stage: p.Stage, Egress: p.Egress, Rules: []ruleDoc{}}
		for j := range p.Rules {
			rd := ruleOf(&p.Rules[j])
			rd.Evidence = evidence[[2]string{p.Name, rd.Name}]
			pd.Rules = append(pd.Rules, rd)
		}
		d.Policies = append(d.Policies, pd)
	}
	for i := range rec.Decisions {
		c := &rec.Decisions[i]
		d.Decisions = append(d.Decisions, decisionOf(c, x))
	}
	d.Changes = []ruleChange{}
	for _, c := range rec.Changes {
		d.Changes = append(d.Changes, ruleChange{c.Policy, c.Rule, c.Origin, c.Why})
	}
	for _, e := range rec.Set.AlwaysAllowed {
		d.Always = append(d.Always, exceptionDoc{e.Name, servicesText(e.Services), e.Why})
	}
	return d
}

func decisionOf(c *policy.Decision, x *view.Index) decisionDoc {
	return decisionDoc{c.ID, c.Concern, c.Title, c.Why, c.Policy, ruleOf(&c.Rule), rows(c.Deps, x), c.Total, c.Stats, c.Priority, c.Answer}
}

func ruleOf(r *policy.Rule) ruleDoc {
	return ruleDoc{
		Name: r.Name, Description: r.Description, Action: r.Action, From: peersText(r.From), To: peersText(r.To),
		Services: servicesText(r.Services), Process: r.Process,
	}
}

func rows(deps []topology.Dependency, x *view.Index) []view.DepRow {
	out := make([]view.DepRow, len(deps))
	for i := range deps {
		out[i] = x.Row(&deps[i])
	}
	return out
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

type simulationDoc struct {
	Since     flow.Time         `json:"since"`
	Until     flow.Time         `json:"until"`
	Hash      string            `json:"hash"`
	Allowed   policy.SimTotal   `json:"allowed"`
	Break     policy.SimTotal   `json:"wouldBreak"`
	Expected  policy.SimTotal   `json:"expected"`   // of what would break: waits for a decision or was denied one
	Wrong     policy.SimTotal   `json:"legitimate"` // of what would break: looks legitimate
	Unused    policy.SimTotal   `json:"neverUsed"`
	Stopped   policy.SimTotal   `json:"stopped"`
	Untouched uint64            `json:"untouched"`
	Breaks    []breakDoc        `json:"breaks"`
	Rows      []simRow          `json:"rows"`
	RowsAll   int               `json:"rowsTotal"`
	Rules     []policy.RuleUse  `json:"rules"`
	Coverage  []policy.Coverage `json:"coverage"`
}

type simRow struct {
	Class       policy.Class   `json:"class"`
	Concern     policy.Concern `json:"concern,omitempty"`
	Decision    string         `json:"decision,omitempty"`
	Client      view.Ref       `json:"client"`
	Server      view.Ref       `json:"server"`
	Service     flow.Service   `json:"service"`
	Stats       flow.EdgeStats `json:"stats"`
	Outcome     policy.Outcome `json:"outcome"`
	Policy      string         `json:"policy"`
	Rule        string         `json:"rule"`
	Why         string         `json:"why"`
	Connections uint64         `json:"connections"`
}

// breakDoc is a policy.Break with every field said.
type breakDoc struct {
	Concern      policy.Concern `json:"concern"`
	Decision     string         `json:"decision"`
	What         string         `json:"what"`
	Services     []flow.Service `json:"services"`
	Dependencies int            `json:"dependencies"`
	Connections  uint64         `json:"connections"`
	Last         flow.Time      `json:"last"`
	Why          string         `json:"why"`
}

// simRows is how many rows the page gets of each class.
const simRows = 200

// simulated names everything in a simulation. Its rows index its own nodes, which
// may hold probes' targets that the map has not.
func simulated(sim *policy.Simulation, x *view.Index) simulationDoc {
	d := simulationDoc{
		Since: sim.Since, Until: sim.Until, Hash: sim.Hash,
		Allowed: sim.Totals[policy.ClassAllowed], Break: sim.Totals[policy.ClassWouldBreak],
		Unused: sim.Totals[policy.ClassNeverUsed], Stopped: sim.Totals[policy.ClassStopped],
		Expected: sim.Expected, Wrong: sim.Legitimate,
		Untouched: sim.Untouched, Rows: []simRow{}, RowsAll: len(sim.Rows),
		Rules: orEmpty(sim.Rules), Coverage: orEmpty(sim.Coverage),
	}
	d.Breaks = []breakDoc{}
	for _, b := range sim.Breaks[:min(len(sim.Breaks), simRows)] {
		d.Breaks = append(d.Breaks, breakDoc{b.Concern, b.Decision, b.What, orEmpty(b.Services), b.Dependencies, b.Connections, b.Last, b.Why})
	}
	var perClass [4]int
	for i := range sim.Rows {
		r := &sim.Rows[i]
		if perClass[r.Class]++; perClass[r.Class] > simRows {
			continue
		}
		row := simRow{
			Class: r.Class, Concern: r.Concern, Decision: r.Decision, Service: r.Dep.Service, Stats: r.Dep.EdgeStats, Outcome: r.Verdict.Outcome,
			Policy: r.Verdict.Policy, Rule: r.Verdict.Rule, Why: r.Verdict.Why, Connections: r.Connections,
		}
		row.Client, row.Server = x.RefOf(&sim.Nodes[r.Dep.Client]), x.RefOf(&sim.Nodes[r.Dep.Server])
		d.Rows = append(d.Rows, row)
	}
	return d
}

type reach struct {
	From  view.Ref `json:"from"`
	Today *reached `json:"today"`
	Draft *reached `json:"draft,omitempty"`
}

type reached struct {
	Reachable int          `json:"reachable"`
	Inside    int          `json:"inside"`
	ByHop     []int        `json:"byHop"`
	Paths     []attackPath `json:"paths"`
}

type attackPath struct {
	Nodes    []hop          `json:"nodes"`
	Services []flow.Service `json:"services"`
}

// hop is a node on a path, with the boxes it may be drawn in, outermost first.
type hop struct {
	view.Ref
	Boxes []string `json:"boxes"`
}

func reachedOf(r *policy.Reach, x *view.Index, group []string) *reached {
	out := &reached{Reachable: r.Reachable, Inside: r.Inside, ByHop: orEmpty(r.ByHop), Paths: []attackPath{}}
	for _, p := range r.Paths {
		ap := attackPath{Services: orEmpty(p.Services)}
		for _, n := range p.Nodes {
			ap.Nodes = append(ap.Nodes, hop{x.Ref(n), x.Path(n, group)})
		}
		out.Paths = append(out.Paths, ap)
	}
	return out
}
