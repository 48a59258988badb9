package recommender

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

const (
	maxExamples     = 5
	maxDecisionDeps = 20
)

// evidence sums the dependencies a rule stands on.
func (d *draft) evidence(policyName, rule string, deps []int32) policy.Evidence {
	ev := policy.Evidence{Policy: policyName, Rule: rule}
	ev.EdgeStats, ev.Clients, ev.Servers = d.sum(deps)
	ev.Confidence = ruleConfidence(ev.EdgeStats)
	ev.Examples = d.busiest(deps, maxExamples)
	return ev
}

// ruleConfidence is how sure we are that a rule is wanted as written, 0..1: the
// mean confidence of the direction, lowered while it has been seen on few days
// and in few flows. Each day seen halves the doubt; so does each doubling of
// flows, roughly. It orders rules for a reviewer; it is no probability.
func ruleConfidence(s flow.EdgeStats) float64 {
	direction := float64(s.Confidence) / 100
	days := 1 - math.Pow(0.5, float64(max(1, s.Days)))
	flows := 1 - 1/(1+float64(s.Flows))
	return math.Round(direction*days*flows*100) / 100
}

func (d *draft) sum(deps []int32) (stats flow.EdgeStats, clients, servers int) {
	c, s := map[int32]bool{}, map[int32]bool{}
	for _, i := range deps {
		dep := &d.m.Graph.Deps[i]
		stats.Merge(dep.EdgeStats)
		c[dep.Client], s[dep.Server] = true, true
	}
	return stats, len(c), len(s)
}

// busiest returns the n dependencies with most flows.
func (d *draft) busiest(deps []int32, n int) []topology.Dependency {
	out := make([]topology.Dependency, len(deps))
	for i, at := range deps {
		out[i] = d.m.Graph.Deps[at]
	}
	slices.SortStableFunc(out, func(a, b topology.Dependency) int { return cmp.Compare(b.Flows, a.Flows) })
	return slices.Clone(out[:min(n, len(out))])
}

// finish adds decisions, coverage and notes to a recommendation whose set is
// written.
func (d *draft) finish() {
	enforced := policy.NewEvaluator(d.rec.Set.AtStage(policy.Enforce))
	ids := identify(enforced, d.m)
	for i := range d.rec.Decisions {
		dec := &d.rec.Decisions[i]
		if v := enforced.Judge(ids[dec.Deps[0].Client], ids[dec.Deps[0].Server], dec.Deps[0].Service, "", ""); v.Outcome == policy.Allowed && v.Rule != "" {
			dec.Why += fmt.Sprintf(" At this level rule %q of policy %q allows it already.", v.Rule, v.Policy)
		}
	}
	d.rec.Coverage = coverage(enforced, ids, d.m)
	d.rec.Notes = append(d.rec.Notes, d.unprotected()...)
}

// unprotected says who no policy is for.
func (e *estate) unprotected() []string {
	var names []string
	for i := range e.m.Graph.Nodes {
		if e.m.Graph.Nodes[i].Inside() && e.groups[e.groupOf[i]].app < 0 {
			names = append(names, e.m.Graph.Nodes[i].Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s without an application label are in no policy: %s", plural(len(names), "workload"), listWords(names))}
}

// decisionKey is what is decided together.
type decisionKey struct {
	concern policy.Concern
	from    place
	to      place // every for a scanner
	app     int32
}

// decisions groups what must be decided: a scanner's work is one question,
// everything else one per client group, server group and policy.
func (d *draft) decisions() []policy.Decision {
	groups := map[decisionKey][]int32{}
	for i, c := range d.concerns {
		dep := &d.m.Graph.Deps[i]
		server := &d.groups[d.groupOf[dep.Server]]
		if c == none || !d.inScope(server.appKey) {
			continue
		}
		k := decisionKey{c, d.placeOf(dep.Client, policy.ServiceLevel), d.placeOf(dep.Server, policy.ServiceLevel), server.app}
		if c == policy.ConcernScanner {
			k = decisionKey{c, place{groupKey: groupKey{node: d.m.Graph.Nodes[dep.Client].ID}}, place{every: true}, -1}
		}
		groups[k] = append(groups[k], int32(i))
	}
	var out []policy.Decision
	for k, deps := range groups {
		out = append(out, d.decision(k, deps))
	}
	slices.SortFunc(out, func(a, b policy.Decision) int {
		return cmp.Or(cmp.Compare(concernOrder(a.Concern), concernOrder(b.Concern)), cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Title, b.Title), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func (d *draft) decision(k decisionKey, deps []int32) policy.Decision {
	out := policy.Decision{Concern: k.concern, Total: len(deps), Deps: d.busiest(deps, maxDecisionDeps)}
	var own appKey
	if k.app >= 0 {
		own = d.apps[k.app].appKey
		out.Policy = d.policyName(own)
	}
	stats, _, servers := d.sum(deps)
	out.Stats = stats
	var services []policy.Service
	for _, i := range deps {
		services = append(services, d.written[i])
		out.Priority = max(out.Priority, d.priority(d.m.Graph.Deps[i].Server))
	}
	slices.SortFunc(services, compareServices)
	services = slices.Compact(services)
	out.Rule = policy.Rule{Name: slug(string(k.concern)+"-"+k.from.short(own)) + "-to-" + k.to.short(own),
		From: d.peers([]place{k.from}), To: d.peers([]place{k.to}), Services: services}
	words := make([]string, len(services))
	for i, s := range services {
		words[i] = serviceWords(s)
	}
	from := k.from.words(appKey{})
	to := k.to.words(appKey{})
	if k.to.every {
		to = plural(servers, "server")
	}
	out.Title = fmt.Sprintf("%s to %s: %s", sentence(from), to, listWords(words))
	out.Rule.Description = fmt.Sprintf("%s may use %s: %s. Decided by hand: %s.", sentence(from), to, listWords(words), k.concern)
	out.Why = concernWords[k.concern] + " " + seenWords(stats)
	h := fnv.New64a()
	fmt.Fprintf(h, "%s|%v|%v|%v", k.concern, k.from, k.to, own)
	out.ID = hex.EncodeToString(h.Sum(nil))
	return out
}

func seenWords(s flow.EdgeStats) string {
	return fmt.Sprintf("Seen in %s on %s, last %s.", plural(int(s.Flows), "connection"), plural(int(s.Days), "day"), s.Last.Std().Format("2006-01-02 15:04"))
}

var concernWords = map[policy.Concern]string{
	policy.ConcernScanner:     "It looks for services widely and most of what it tried gave no answer: a security scanner, or something that spreads.",
	policy.ConcernOneOff:      "It was used once or twice on a single day and not since: a forgotten session, or somebody trying.",
	policy.ConcernCleartext:   "It crosses from a lower environment to a higher one, readable on the wire.",
	policy.ConcernAdmin:       "It administers a higher environment from a lower one: a compromise of the lower one carries over.",
	policy.ConcernVendor:      "Somebody outside uses a service that gives control of the machine or its data.",
	policy.ConcernCrossEnv:    "It crosses from a lower environment to a higher one: least privilege keeps them apart.",
	policy.ConcernReversed:    "The port is one that clients are given, and nothing strong says who asked: the direction may be the wrong way round.",
	policy.ConcernUnlabelled:  "Nobody has said what the client is, and the server is one of the most important.",
	policy.ConcernWorkstation: "File shares and remote control between machines people sit at are how an intruder moves.",
}

var concernList = []policy.Concern{policy.ConcernVendor, policy.ConcernUnlabelled, policy.ConcernScanner, policy.ConcernAdmin, policy.ConcernCrossEnv,
	policy.ConcernCleartext, policy.ConcernWorkstation, policy.ConcernOneOff, policy.ConcernReversed}

func concernOrder(c policy.Concern) int { return slices.Index(concernList, c) }
