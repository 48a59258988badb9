package change

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Input is what a plan is made of.
type Input struct {
	Before, After *policy.Set
	// Map and Simulation are of the recorded window, Readiness of its applications;
	// nil without recorded traffic. The simulation is of After as it stands.
	Map        *topology.Map
	Simulation *policy.Simulation
	Readiness  []policy.Readiness
	// Canary is the share of a segment's workloads that take it first, 0..1, and Seed
	// what their choice depends on.
	Canary float64
	Seed   string
}

// maxViolations bounds how many dependencies a forecast lists.
const maxViolations = 200

// Plan fills in what the change does, and its segments in the order of risk.
func (c *Change) Plan(in Input) {
	parties, names := parties(in.Map)
	c.Effects = []string{}
	for _, e := range policy.Diff(in.Before, in.After, parties) {
		c.Effects = append(c.Effects, e.String())
	}
	c.Forecast = forecast(in.Simulation)
	c.Segments = []Segment{}
	for _, name := range changed(in.Before, in.After) {
		c.Segments = append(c.Segments, segment(name, &in, parties, names))
	}
	slices.SortStableFunc(c.Segments, func(a, b Segment) int {
		return cmp.Or(cmp.Compare(rank[a.Kind], rank[b.Kind]), cmp.Compare(a.Risk, b.Risk), cmp.Compare(a.Policy, b.Policy))
	})
}

// rank puts what can break nothing first.
var rank = map[Kind]int{Lifts: 0, Monitors: 1, Changes: 2, Enforces: 2}

// changed lists the policies that differ, sorted.
func changed(before, after *policy.Set) (names []string) {
	seen := map[string]bool{}
	for _, s := range []*policy.Set{before, after} {
		for i := range s.Policies {
			name := s.Policies[i].Name
			if !seen[name] && alone(before, name) != alone(after, name) {
				names = append(names, name)
			}
			seen[name] = true
		}
	}
	slices.Sort(names)
	return names
}

// alone is the hash of one policy with what all policies share; "" when it is not
// there.
func alone(s *policy.Set, name string) string {
	p := find(s, name)
	if p == nil {
		return ""
	}
	one := *s
	one.Policies = []policy.Policy{*p}
	return one.Hash()
}

func parties(m *topology.Map) (out []policy.Party, names []string) {
	if m == nil {
		return nil, nil
	}
	for i := range m.Graph.Nodes {
		if n := &m.Graph.Nodes[i]; n.Inside() {
			out = append(out, policy.PartyOf(m, int32(i)))
			names = append(names, n.ID)
		}
	}
	return out, names
}

func forecast(sim *policy.Simulation) Forecast {
	f := Forecast{Violations: []Violation{}}
	if sim == nil {
		return f
	}
	f.Since, f.Until, f.Legitimate, f.Expected, f.Stopped = sim.Since, sim.Until, sim.Legitimate, sim.Expected, sim.Totals[policy.ClassStopped]
	for i := range sim.Rows {
		r := &sim.Rows[i]
		if r.Class == policy.ClassWouldBreak && len(f.Violations) < maxViolations {
			f.Violations = append(f.Violations, Violation{sim.Nodes[r.Dep.Client].Name, sim.Nodes[r.Dep.Server].Name, r.Dep.Service, r.Connections, r.Verdict.Policy, r.Concern})
		}
	}
	return f
}

// segment weighs one policy of the change.
func segment(name string, in *Input, parties []policy.Party, ids []string) Segment {
	s := Segment{Policy: name, Why: []string{}, Canary: []string{}}
	old, now := find(in.Before, name), find(in.After, name)
	s.Kind = kind(old, now)
	scope := old
	if now != nil {
		scope, s.Stage = now, now.Stage
	}
	protected := map[string]bool{}
	roles := map[string][]string{}
	for i := range parties {
		if scope.Scope.Matches(parties[i].Labels) {
			protected[ids[i]] = true
			role := parties[i].Labels[topology.LabelRole]
			roles[role] = append(roles[role], ids[i])
		}
	}
	s.Workloads = len(protected)
	if in.Map != nil {
		s.Priority, s.Dependents = surroundings(in.Map, protected)
	}
	if in.Simulation != nil {
		s.Breaks = breaks(in.Simulation, name)
	}
	for i := range in.Readiness {
		if r := &in.Readiness[i]; r.Policy == name {
			s.AtRisk, s.Coverage = r.AtRisk, r.Coverage
		}
	}
	s.weigh()
	s.Canary = Canary(roles, in.Canary, in.Seed+"/"+name)
	return s
}

func kind(old, now *policy.Policy) Kind {
	stage := func(p *policy.Policy) policy.Stage {
		if p == nil {
			return policy.Draft
		}
		return p.Stage
	}
	a, b := stage(old), stage(now)
	switch {
	case b < a, b == policy.Draft:
		return Lifts
	case b == policy.Monitor:
		return Monitors
	case a == policy.Enforce:
		return Changes
	}
	return Enforces
}

// surroundings gives the highest priority among the protected, and how many nodes
// depend on them from without.
func surroundings(m *topology.Map, protected map[string]bool) (p topology.Priority, dependents int) {
	nodes := m.Graph.Nodes
	for i := range nodes {
		if protected[nodes[i].ID] && i < len(m.Priorities) {
			p = max(p, m.Priorities[i])
		}
	}
	clients := map[int32]bool{}
	for i := range m.Graph.Deps {
		d := &m.Graph.Deps[i]
		if protected[nodes[d.Server].ID] && !protected[nodes[d.Client].ID] {
			clients[d.Client] = true
		}
	}
	return p, len(clients)
}

// breaks sums what a policy would break that looks legitimate.
func breaks(sim *policy.Simulation, name string) (t policy.SimTotal) {
	for i := range sim.Rows {
		if r := &sim.Rows[i]; r.Class == policy.ClassWouldBreak && r.Concern == "" && r.Verdict.Policy == name {
			t.Dependencies++
			t.Connections += r.Connections
			t.Bytes += r.Dep.Bytes
		}
	}
	return t
}

// weigh sums the risk up, in the unit of one dependency likely to break: what the
// record says will break, what it says may show itself yet, and then how much would
// hang on it. A policy that blocks nothing has none.
func (s *Segment) weigh() {
	if s.Kind == Lifts || s.Kind == Monitors {
		s.Why = append(s.Why, map[Kind]string{Lifts: "it blocks less than before", Monitors: "it blocks nothing"}[s.Kind])
		return
	}
	type part struct {
		weight float64
		why    string
	}
	plural := func(n int, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, many)
	}
	parts := []part{
		{float64(s.Breaks.Dependencies), plural(s.Breaks.Dependencies, "dependency that looks legitimate would break", "dependencies that look legitimate would break")},
		{s.AtRisk, fmt.Sprintf("about %.1f more that were not seen yet", s.AtRisk)},
		{2 * float64(s.Priority), "its priority is " + s.Priority.String()},
		{math.Log2(1 + float64(s.Dependents)), plural(s.Dependents, "other depends on it", "others depend on it")},
		{math.Log2(1+float64(s.Workloads)) / 4, plural(s.Workloads, "workload", "workloads")},
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(b.weight, a.weight) })
	for _, p := range parts {
		if p.weight > 0 {
			s.Risk += p.weight
			s.Why = append(s.Why, p.why)
		}
	}
	s.Risk = math.Round(100*s.Risk) / 100
}

// Canary chooses a share of workloads, at least one if there is a share, and never
// all of a role: whatever happens, one that plays the same part is not touched. The
// choice depends on the seed alone.
func Canary(roles map[string][]string, share float64, seed string) []string {
	out := []string{}
	if share <= 0 {
		return out
	}
	var candidates []string
	total := 0
	for _, members := range roles {
		total += len(members)
		sorted := byHash(members, seed)
		candidates = append(candidates, sorted[:len(sorted)-1]...) // the last one stays out
	}
	want := max(1, int(math.Ceil(share*float64(total))))
	candidates = byHash(candidates, seed)
	out = append(out, candidates[:min(want, len(candidates))]...)
	slices.Sort(out)
	return out
}

func byHash(ids []string, seed string) []string {
	score := func(id string) uint64 {
		h := fnv.New64a()
		h.Write([]byte(seed + "\x00" + id))
		return h.Sum64()
	}
	out := slices.Clone(ids)
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(cmp.Compare(score(a), score(b)), cmp.Compare(a, b)) })
	return out
}
