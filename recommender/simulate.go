package recommender

import (
	"cmp"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// DefaultMaxRows is how many rows of each class a simulation lists.
const DefaultMaxRows = 1000

// SimulateOptions bound a simulation. The zero value is the usual one.
type SimulateOptions struct {
	// MaxRows per class; 0 means DefaultMaxRows, negative none. Totals are exact
	// whatever it is.
	MaxRows int
	// KeepStages judges by the stages the set has; otherwise every policy is
	// taken as enforced, drafts too.
	KeepStages bool
}

// Simulate replays what a map aggregates, and the probes beside it, through set.
// Cost and memory follow the number of different dependencies, not of flows.
func Simulate(set *policy.Set, m *topology.Map, probes []flow.Probe, opt SimulateOptions) (*policy.Simulation, error) {
	if err := set.Validate(); err != nil {
		return nil, err
	}
	judged := set
	if !opt.KeepStages {
		judged = set.AtStage(policy.Enforce)
	}
	if opt.MaxRows == 0 {
		opt.MaxRows = DefaultMaxRows
	}
	e := policy.NewEvaluator(judged)
	s := &replay{m: m, e: e, ids: identify(e, m), uses: map[ruleID]*policy.RuleUse{}, max: opt.MaxRows,
		out: &policy.Simulation{Since: m.Since, Until: m.Until, Hash: set.Hash(), Nodes: slices.Clone(m.Graph.Nodes)}}
	s.ask(probes)
	for i := range m.Graph.Deps {
		s.dependency(int32(i))
	}
	s.probes(probes)
	s.rules(judged)
	s.rank()
	s.out.Breaks = s.folded()
	s.out.Coverage = coverage(e, s.ids, m)
	return s.out, nil
}

type ruleID struct{ policy, rule string }

// replay is the state of one simulation.
type replay struct {
	m    *topology.Map
	e    *policy.Evaluator
	ids  []policy.Identity
	uses map[ruleID]*policy.RuleUse
	rows [4][]policy.SimRow
	max  int
	out  *policy.Simulation

	asked     *draft   // what a recommendation would ask about this traffic
	decisions []string // per dependency: the decision it waits for, "" for none
	breaks    map[breakKey]*policy.Break
}

func (s *replay) dependency(i int32) {
	d, concern := &s.m.Graph.Deps[i], s.asked.concerns[i]
	client, server := s.ids[d.Client], s.ids[d.Server]
	in, out := s.e.JudgeEnds(client, server, d.Service)
	s.use(in, d)
	if out.Policy != in.Policy || out.Rule != in.Rule {
		s.use(out, d)
	}
	v := s.e.Judge(client, server, d.Service, "", "")
	class := policy.ClassAllowed
	switch v.Outcome {
	case policy.Untouched:
		s.out.Untouched += d.Flows
		return
	case policy.Blocked, policy.WouldBlock:
		class = policy.ClassWouldBreak
	}
	row := policy.SimRow{Class: class, Dep: *d, Verdict: v, Connections: d.Flows}
	if class == policy.ClassWouldBreak {
		s.fold(i, v)
		part := &s.out.Legitimate
		if row.Concern, row.Decision = concern, s.decisions[i]; concern != none {
			part = &s.out.Expected
		}
		part.Dependencies++
		part.Connections += d.Flows
		part.Bytes += d.Bytes
	}
	s.add(class, row, d.Bytes)
}

// use counts the rule or exception that decided at one end.
func (s *replay) use(v policy.Verdict, d *topology.Dependency) {
	if v.Rule == "" {
		return
	}
	k := ruleID{v.Policy, v.Rule}
	u := s.uses[k]
	if u == nil {
		u = &policy.RuleUse{Policy: v.Policy, Rule: v.Rule}
		s.uses[k] = u
	}
	u.Connections += d.Flows
	u.Deps++
	u.LastHit = max(u.LastHit, d.Last)
}

func (s *replay) add(class policy.Class, row policy.SimRow, bytes uint64) {
	t := &s.out.Totals[class]
	t.Dependencies++
	t.Connections += row.Connections
	t.Bytes += bytes
	if s.max < 0 {
		return
	}
	s.rows[class] = append(s.rows[class], row)
	if len(s.rows[class]) >= 4*s.max+1024 { // keep memory bounded: only the busiest are listed
		s.rows[class] = busiestRows(s.rows[class], s.max)
	}
}

func busiestRows(rows []policy.SimRow, n int) []policy.SimRow {
	slices.SortStableFunc(rows, func(a, b policy.SimRow) int { // what looks legitimate before what was to be expected
		return cmp.Or(cmp.Compare(min(1, len(a.Concern)), min(1, len(b.Concern))), cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.Dep.Client, b.Dep.Client),
			cmp.Compare(a.Dep.Server, b.Dep.Server), a.Dep.Service.Compare(b.Dep.Service))
	})
	return rows[:min(n, len(rows))]
}

// probes judges attempts that found no service: those the set would stop. A
// party the map has no node for becomes one of the simulation's.
func (s *replay) probes(probes []flow.Probe) {
	find := nodeFinder(s.m)
	strangers := map[flow.Party]int32{}
	node := func(p flow.Party) (int32, policy.Identity) {
		if n := find(p); n >= 0 {
			return n, s.ids[n]
		}
		party := policy.Party{Addr: p.Addr}
		id := s.e.Identify(&party)
		n, ok := strangers[p]
		if !ok && len(strangers) < DefaultMaxRows {
			n = int32(len(s.out.Nodes))
			strangers[p] = n
			s.out.Nodes = append(s.out.Nodes, topology.Node{ID: p.Addr.String(), Name: p.Addr.String(), Kind: topology.NodeAddress})
		} else if !ok {
			n = -1
		}
		return n, id
	}
	for i := range probes {
		p := &probes[i]
		client, cid := node(p.Client)
		server, sid := node(p.Server)
		v := s.e.Judge(cid, sid, p.Service, "", "")
		if v.Outcome != policy.Blocked && v.Outcome != policy.WouldBlock {
			continue
		}
		row := policy.SimRow{Class: policy.ClassStopped, Verdict: v, Connections: p.Attempts,
			Dep: topology.Dependency{Client: client, Server: server, Service: p.Service, EdgeStats: flow.EdgeStats{Flows: p.Attempts, First: p.First, Last: p.Last}}}
		if client < 0 || server < 0 { // counted, too many strangers to list
			t := &s.out.Totals[policy.ClassStopped]
			t.Dependencies++
			t.Connections += p.Attempts
			continue
		}
		s.add(policy.ClassStopped, row, 0)
	}
}

// rules lists every rule of the set with its use; an allow rule that nothing used
// counts as never used.
func (s *replay) rules(set *policy.Set) {
	for i := range set.Policies {
		p := &set.Policies[i]
		for j := range p.Rules {
			k := ruleID{p.Name, p.Rules[j].Name}
			u := s.uses[k]
			if u == nil {
				u = &policy.RuleUse{Policy: k.policy, Rule: k.rule}
				if p.Rules[j].Action == policy.Allow {
					s.out.Totals[policy.ClassNeverUsed].Dependencies++
				}
			}
			delete(s.uses, k)
			s.out.Rules = append(s.out.Rules, *u)
		}
	}
	for _, u := range s.uses { // exceptions that decided
		s.out.Rules = append(s.out.Rules, *u)
	}
	slices.SortFunc(s.out.Rules, func(a, b policy.RuleUse) int {
		return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.Rule, b.Rule))
	})
}

// rank puts what would break first, then what is stopped, then what is allowed.
func (s *replay) rank() {
	s.out.Rows = []policy.SimRow{}
	for _, class := range []policy.Class{policy.ClassWouldBreak, policy.ClassStopped, policy.ClassAllowed} {
		s.out.Rows = append(s.out.Rows, busiestRows(s.rows[class], max(s.max, 0))...)
	}
}
