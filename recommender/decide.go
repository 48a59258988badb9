package recommender

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

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
		if c == none || !d.inScope(server.appKey) || d.skip != nil && d.skip(int32(i)) {
			continue
		}
		if c == policy.ConcernUnproven && d.reuse.settles(int32(i), policy.Inbound) {
			continue // somebody decided about it
		}
		k := decisionKey{c, d.placeOf(dep.Client, policy.ServiceLevel), d.placeOf(dep.Server, policy.ServiceLevel), server.app}
		if c == policy.ConcernScanner {
			k = decisionKey{c, place{groupKey: groupKey{node: d.m.Graph.Nodes[dep.Client].ID}}, place{every: true}, -1}
		}
		groups[k] = append(groups[k], int32(i))
	}
	var out []policy.Decision
	d.behind = map[string][]int32{}
	for k, deps := range groups {
		dec := d.decision(k, deps)
		dec.Answer = d.opt.Answers[dec.ID]
		d.behind[dec.ID] = deps
		out = append(out, dec)
	}
	slices.SortFunc(out, func(a, b policy.Decision) int {
		return cmp.Or(cmp.Compare(concernOrder(a.Concern), concernOrder(b.Concern)), cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Title, b.Title), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// allowDecided puts the rules that people allowed into the policies that protect
// their servers.
func (d *draft) allowDecided(set *policy.Set) {
	for _, dec := range d.rec.Decisions {
		if dec.Answer != policy.AnswerAllow || d.reuse.allows(d.behind[dec.ID]) {
			continue
		}
		byPolicy := map[string][]int32{}
		for _, i := range d.behind[dec.ID] {
			name := d.policyName(d.apps[d.groups[d.groupOf[d.m.Graph.Deps[i].Server]].app].appKey)
			byPolicy[name] = append(byPolicy[name], i)
		}
		for i := range set.Policies {
			p := &set.Policies[i]
			if len(byPolicy[p.Name]) == 0 {
				continue
			}
			taken := map[string]bool{}
			for _, r := range p.Rules {
				taken[r.Name] = true
			}
			rule := dec.Rule
			rule.Name = unique(rule.Name, taken)
			p.Rules = append(p.Rules, rule)
			if d.reuse != nil {
				d.reuse.added[ruleID{p.Name, rule.Name}] = true
			}
			ev := d.evidence(p.Name, rule.Name, byPolicy[p.Name])
			ev.Decided = true
			d.rec.Evidence = append(d.rec.Evidence, ev)
		}
	}
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
	if k.concern == policy.ConcernUnproven {
		out.Why = concernWords[k.concern] + " Last tried " + stats.Last.Std().Format("2006-01-02 15:04") + "."
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s|%s|%s|%s", k.concern, k.from.id(), k.to.id(), own)
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
	policy.ConcernNAT:         "The client's address is shared by many machines behind address translation: which of them asked is not known, and a rule lets all of them in.",
	policy.ConcernUnproven:    "Somebody tried it and a policy stopped it, or would have; nobody saw it answered.",
}

var concernList = []policy.Concern{policy.ConcernVendor, policy.ConcernUnlabelled, policy.ConcernNAT, policy.ConcernScanner, policy.ConcernAdmin, policy.ConcernCrossEnv,
	policy.ConcernCleartext, policy.ConcernWorkstation, policy.ConcernOneOff, policy.ConcernUnproven, policy.ConcernReversed}

func concernOrder(c policy.Concern) int { return slices.Index(concernList, c) }
