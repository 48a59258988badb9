package fake

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// suspicious is what the fake puts before a person: from the vendor's controllers
// to the shops, and from build machines to production.
var suspicious = map[[2]string]policy.Concern{
	{"climate", "point-of-sale"}: policy.ConcernVendor,
	{"buildfarm", "webshop"}:     policy.ConcernCrossEnv,
}

// Recommend implements httpapi.Advisor: one rule per pair of roles and service.
func (b *Backend) Recommend(_ context.Context, q httpapi.RecommendQuery) (*policy.Recommendation, error) {
	rec := &policy.Recommendation{Level: q.Level, Since: b.Estate.Since, Until: b.Estate.Until, Set: &policy.Set{Networks: b.networks()}}
	policies, decisions := map[string]int{}, map[string]int{}
	overall := policy.Coverage{}
	for _, d := range b.Estate.Graph.Deps {
		to := b.Estate.AppOf[d.Server]
		if to < 0 {
			continue
		}
		app := b.Estate.Applications[to]
		name := app.Name + "-" + app.Env
		i, ok := policies[name]
		if !ok {
			i = len(rec.Set.Policies)
			policies[name] = i
			rec.Set.Policies = append(rec.Set.Policies, policy.Policy{Name: name, Scope: selector("app", app.Name, "env", app.Env)})
		}
		overall.Connections, overall.Dependencies = overall.Connections+d.Flows, overall.Dependencies+1
		rule := b.rule(d)
		if concern := b.concern(d); concern != "" {
			b.decide(rec, decisions, name, concern, rule, d)
			continue
		}
		overall.Allowed, overall.AllowedDeps = overall.Allowed+d.Flows, overall.AllowedDeps+1
		b.allow(rec, i, rule, d)
	}
	rec.Coverage = []policy.Coverage{overall}
	slices.SortFunc(rec.Set.Policies, func(x, y policy.Policy) int { return cmp.Compare(x.Name, y.Name) })
	return rec, b.Err
}

// networks are what rules name: the nodes outside, by address.
func (b *Backend) networks() (out []topology.Network) {
	for _, n := range b.Estate.Graph.Nodes {
		if n.Kind == topology.NodeNetwork {
			out = append(out, topology.Network{Name: n.Name, Prefixes: []netip.Prefix{netip.PrefixFrom(n.Addrs[0], 32)}})
		}
	}
	return out
}

func (b *Backend) concern(d topology.Dependency) policy.Concern {
	from, to := b.Estate.AppOf[d.Client], b.Estate.AppOf[d.Server]
	if from < 0 || to < 0 || b.Estate.Applications[to].Env == "dev" {
		return ""
	}
	return suspicious[[2]string{b.Estate.Applications[from].Name, b.Estate.Applications[to].Name}]
}

func (b *Backend) rule(d topology.Dependency) policy.Rule {
	from, to := b.peer(d.Client), b.peer(d.Server)
	return policy.Rule{
		Name: b.roleName(d.Client) + "-to-" + b.roleName(d.Server) + "-" + d.Service.String(), From: []policy.Peer{from}, To: []policy.Peer{to},
		Description: b.roleName(d.Client) + " may use " + d.Service.String() + " of " + b.roleName(d.Server),
		Services:    []policy.Service{{Proto: d.Service.Proto, From: d.Service.Port, To: d.Service.Port}},
	}
}

func (b *Backend) roleName(n int32) string {
	if r := b.Estate.RoleOf[n]; r >= 0 {
		return b.Estate.Roles[r].Name
	}
	return b.Estate.Graph.Nodes[n].Name
}

func (b *Backend) peer(n int32) policy.Peer {
	node := &b.Estate.Graph.Nodes[n]
	switch {
	case node.Kind == topology.NodeInternet:
		return policy.Peer{Any: true}
	case !node.Inside():
		return policy.Peer{Network: node.Name}
	case b.Estate.AppOf[n] < 0:
		return policy.Peer{Selector: selector("role", b.roleName(n))}
	}
	app := b.Estate.Applications[b.Estate.AppOf[n]]
	return policy.Peer{Selector: selector("role", b.roleName(n), "app", app.Name, "env", app.Env)}
}

func selector(kv ...string) policy.Selector {
	var s policy.Selector
	for i := 0; i < len(kv); i += 2 {
		s = append(s, policy.Requirement{Key: kv[i], In: []string{kv[i+1]}})
	}
	return s
}

// allow adds d to the evidence of its rule.
func (b *Backend) allow(rec *policy.Recommendation, i int, rule policy.Rule, d topology.Dependency) {
	p := &rec.Set.Policies[i]
	for k := range rec.Evidence {
		if e := &rec.Evidence[k]; e.Policy == p.Name && e.Rule == rule.Name {
			e.Merge(d.EdgeStats)
			e.Clients++
			if len(e.Examples) < 5 {
				e.Examples = append(e.Examples, d)
			}
			return
		}
	}
	p.Rules = append(p.Rules, rule)
	rec.Evidence = append(rec.Evidence, policy.Evidence{
		Rule: rule.Name, Policy: p.Name, EdgeStats: d.EdgeStats, Clients: 1, Servers: 1, Confidence: 0.96, Examples: []topology.Dependency{d},
	})
}

func (b *Backend) decide(rec *policy.Recommendation, at map[string]int, name string, concern policy.Concern, rule policy.Rule, d topology.Dependency) {
	id := string(concern) + ":" + rule.Name
	i, ok := at[id]
	if !ok {
		i = len(rec.Decisions)
		at[id] = i
		rec.Decisions = append(rec.Decisions, policy.Decision{
			ID: id, Concern: concern, Title: b.roleName(d.Client) + " reaches " + b.roleName(d.Server), Policy: name, Rule: rule,
			Why: "seen, but nothing in the application explains it", Priority: b.Estate.Priorities[d.Server],
		})
	}
	c := &rec.Decisions[i]
	c.Answer = b.answerTo(id)
	c.Stats.Merge(d.EdgeStats)
	c.Total++
	if len(c.Deps) < 20 {
		c.Deps = append(c.Deps, d)
	}
}

// answerTo is what a person said last about a decision.
func (b *Backend) answerTo(id string) (answer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.Answers {
		if a.ID == id {
			answer = a.Answer
		}
	}
	return answer
}

// Simulate implements httpapi.Advisor: what Recommend leaves to a person breaks.
func (b *Backend) Simulate(_ context.Context, set *policy.Set, _ httpapi.Window) (*policy.Simulation, error) {
	sim := &policy.Simulation{Since: b.Estate.Since, Until: b.Estate.Until, Hash: set.Hash(), Nodes: b.Estate.Graph.Nodes}
	for _, d := range b.Estate.Graph.Deps {
		class := policy.ClassAllowed
		switch {
		case b.Estate.AppOf[d.Server] < 0:
			sim.Untouched += d.Flows
			continue
		case b.concern(d) != "":
			class = policy.ClassWouldBreak
		}
		t := &sim.Totals[class]
		t.Dependencies, t.Connections, t.Bytes = t.Dependencies+1, t.Connections+d.Flows, t.Bytes+d.Bytes
		row := policy.SimRow{Class: class, Concern: b.concern(d), Dep: d, Connections: d.Flows, Verdict: policy.Verdict{Outcome: policy.Allowed, Why: "a rule allows it"}}
		if class == policy.ClassWouldBreak {
			row.Verdict = policy.Verdict{Outcome: policy.Blocked, Why: "no rule allows it"}
			sim.Expected.Dependencies, sim.Expected.Connections = sim.Expected.Dependencies+1, sim.Expected.Connections+d.Flows
			sim.Rows = append([]policy.SimRow{row}, sim.Rows...)
		} else if len(sim.Rows) < 400 {
			sim.Rows = append(sim.Rows, row)
		}
	}
	sim.Breaks = []policy.Break{{Concern: policy.ConcernVendor, Decision: "x", What: "controller of climate to store-server of point-of-sale", Services: []flow.Service{{Proto: flow.TCP, Port: 445}},
		Dependencies: sim.Expected.Dependencies, Connections: sim.Expected.Connections, Last: b.Estate.Until, Why: "no rule allows it"}}
	for _, p := range set.Policies {
		for _, r := range p.Rules {
			sim.Rules = append(sim.Rules, policy.RuleUse{Policy: p.Name, Rule: r.Name, Connections: 1200, Deps: 4, LastHit: b.Estate.Until})
		}
	}
	return sim, b.Err
}

// Reach implements httpapi.Advisor by walking dependencies; under a set it stays
// within the application.
func (b *Backend) Reach(_ context.Context, q httpapi.ReachQuery) (*policy.Reach, error) {
	g := &b.Estate.Graph
	from, ok := slices.BinarySearchFunc(g.Nodes, q.From, func(n topology.Node, id string) int { return cmp.Compare(n.ID, id) })
	if !ok {
		return nil, httpapi.Errorf(httpapi.CodeNotFound, "no node %q", q.From)
	}
	out := &policy.Reach{From: q.From, Inside: len(g.Nodes) - 3}
	back := map[int32]topology.Dependency{}
	seen := map[int32]bool{int32(from): true}
	for front := []int32{int32(from)}; len(front) > 0; {
		var next []int32
		for _, d := range g.Deps {
			if !slices.Contains(front, d.Client) || seen[d.Server] || (q.Set != nil && b.Estate.AppOf[d.Server] != b.Estate.AppOf[from]) {
				continue
			}
			seen[d.Server], back[d.Server] = true, d
			next = append(next, d.Server)
			if b.Estate.Priorities[d.Server] == topology.PriorityCritical && len(out.Paths) < 5 {
				out.Paths = append(out.Paths, pathTo(d.Server, int32(from), back))
			}
		}
		if len(next) > 0 {
			out.ByHop = append(out.ByHop, len(next))
			out.Reachable += len(next)
		}
		front = next
	}
	return out, b.Err
}

func pathTo(to, from int32, back map[int32]topology.Dependency) policy.AttackPath {
	p := policy.AttackPath{Nodes: []int32{to}}
	for at := to; at != from; at = back[at].Client {
		p.Nodes = append(p.Nodes, back[at].Client)
		p.Services = append(p.Services, back[at].Service)
	}
	slices.Reverse(p.Nodes)
	slices.Reverse(p.Services)
	return p
}

// Exposure implements httpapi.ExposureSource with what Reach answers for each node.
func (b *Backend) Exposure(ctx context.Context, _ httpapi.Window, set *policy.Set) (*policy.Exposure, error) {
	out := &policy.Exposure{Reach: make([]int32, len(b.Estate.Graph.Nodes))}
	for i := range b.Estate.Graph.Nodes {
		node := &b.Estate.Graph.Nodes[i]
		if !node.Inside() {
			continue
		}
		out.Inside++
		// One node of each role speaks for the others: walking from all is slow.
		if r := b.Estate.RoleOf[i]; r >= 0 && b.Estate.Roles[r].Members[0] != int32(i) {
			out.Reach[i] = out.Reach[b.Estate.Roles[r].Members[0]]
			continue
		}
		reach, err := b.Reach(ctx, httpapi.ReachQuery{From: node.ID, Set: set})
		if err != nil {
			return nil, err
		}
		out.Reach[i] = int32(reach.Reachable)
	}
	for i, n := range out.Reach {
		share := float64(n) / float64(out.Inside-1)
		out.Mean += share / float64(out.Inside)
		if share > out.Worst {
			out.Worst, out.WorstNode = share, b.Estate.Graph.Nodes[i].ID
		}
	}
	return out, nil
}
