package recommender

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// reuse is what a recommendation builds on: the policies people have already.
// Their names, stages and rules stay. A dependency that they allow makes no rule;
// one that differs from a rule in one respect extends it; the rest is new.
type reuse struct {
	d    *draft
	base *policy.Set // normal form
	e    *policy.Evaluator
	ids  []policy.Identity
	own  []*policy.Policy // per application: a copy of the policy that protects exactly its workloads, nil without one
	left []policy.Policy  // the others
	// behind lists the dependencies each rule of the base decides.
	behind  map[ruleID][]int32
	before  map[ruleID]policy.Rule // as they were, of those extended
	added   map[ruleID]bool
	extents map[string][]int32 // of peers, by what they are called
}

// newReuse looks at what there is; nil when there is nothing to build on.
func (d *draft) newReuse() *reuse {
	if d.opt.Base == nil || len(d.opt.Base.Policies) == 0 {
		return nil
	}
	r := &reuse{d: d, base: released(d.opt.Base, d.opt.Answers).Normal(), own: make([]*policy.Policy, len(d.apps)),
		behind: map[ruleID][]int32{}, before: map[ruleID]policy.Rule{}, added: map[ruleID]bool{}, extents: map[string][]int32{}}
	r.e = policy.NewEvaluator(anyProcess(r.base).AtStage(policy.Enforce))
	r.ids = identify(r.e, d.m)
	for i := range d.m.Graph.Deps {
		dep := &d.m.Graph.Deps[i]
		in, out := r.e.JudgeEnds(r.ids[dep.Client], r.ids[dep.Server], dep.Service)
		r.decided(in, int32(i))
		if out.Policy != in.Policy || out.Rule != in.Rule {
			r.decided(out, int32(i))
		}
	}
	r.adopt()
	return r
}

func (r *reuse) decided(v policy.Verdict, dep int32) {
	if v.Rule != "" && v.Policy != "" {
		k := ruleID{v.Policy, v.Rule}
		r.behind[k] = append(r.behind[k], dep)
	}
}

// anyProcess is the set with its rules for every process: which one serves is not
// known of recorded traffic, and a rule that names it is not to be doubled by one
// that does not.
func anyProcess(set *policy.Set) *policy.Set {
	c := *set
	c.Policies = slices.Clone(set.Policies)
	for i := range c.Policies {
		c.Policies[i].Rules = slices.Clone(c.Policies[i].Rules)
		for j := range c.Policies[i].Rules {
			c.Policies[i].Rules[j].Process = ""
		}
	}
	return &c
}

// adopt finds the policy of each application: the one whose scope selects its
// workloads and no other; among several the one called as it would be, then the
// first by name.
func (r *reuse) adopt() {
	d := r.d
	byExtent := map[string]int32{}
	for i := range d.apps {
		byExtent[fmt.Sprint(sortedNodes(d.apps[i].nodes))] = int32(i)
	}
	for i := range r.base.Policies {
		p := &r.base.Policies[i]
		d.names[p.Name] = true
		members := slices.DeleteFunc(r.selected(p.Scope), func(n int32) bool { return d.groups[d.groupOf[n]].app < 0 })
		app, ok := byExtent[fmt.Sprint(members)]
		if !ok {
			r.left = append(r.left, *p)
			continue
		}
		if have := r.own[app]; have != nil && (have.Name == plainName(d.apps[app].appKey) || p.Name != plainName(d.apps[app].appKey)) {
			r.left = append(r.left, *p)
			continue
		} else if have != nil {
			r.left = append(r.left, *have)
		}
		own := *p
		own.Rules = slices.Clone(p.Rules)
		r.own[app] = &own
		d.named[d.apps[app].appKey] = p.Name
	}
}

func sortedNodes(list []int32) []int32 {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// selected lists the inside nodes that a selector selects, sorted.
func (r *reuse) selected(s policy.Selector) (out []int32) {
	candidates := r.d.insideNodes()
	for _, q := range s {
		if q.Key == topology.LabelApp && len(q.In) > 0 {
			candidates = nil
			for _, app := range q.In {
				candidates = append(candidates, r.d.nodesOfApp()[app]...)
			}
			slices.Sort(candidates)
		}
	}
	for _, n := range candidates {
		if s.Matches(r.d.labels(n)) {
			out = append(out, n)
		}
	}
	return out
}

// settles reports whether the base decides about dep at one end by a rule, so that
// none is to be written: it allows it, or somebody denied it.
func (r *reuse) settles(dep int32, way policy.Direction) bool {
	if r == nil {
		return false
	}
	x := &r.d.m.Graph.Deps[dep]
	v, out := r.e.JudgeEnds(r.ids[x.Client], r.ids[x.Server], x.Service)
	if way == policy.Outbound {
		v = out
	}
	return v.Rule != ""
}

// allows reports whether the base lets all of them pass.
func (r *reuse) allows(deps []int32) bool {
	return r != nil && !slices.ContainsFunc(deps, func(i int32) bool {
		x := &r.d.m.Graph.Deps[i]
		v := r.e.Judge(r.ids[x.Client], r.ids[x.Server], x.Service, "", "")
		return v.Outcome != policy.Allowed || v.Rule == ""
	})
}

// protects reports whether the base has policies for every workload of an
// application.
func (r *reuse) protects(app int32) bool {
	return r != nil && !slices.ContainsFunc(r.d.apps[app].nodes, func(n int32) bool { return len(r.e.Protected(r.ids[n])) == 0 })
}

// extend adds what rule allows to a rule of p that differs from it in one respect
// only, and returns that rule's name; false when there is none. The other two
// respects must mean the same nodes of the map, so nothing but the sum of both is
// allowed.
func (r *reuse) extend(p *policy.Policy, rule policy.Rule) (name string, ok bool) {
	from := func(b *policy.Rule) bool { return r.same(b.From, rule.From) }
	to := func(b *policy.Rule) bool { return r.same(b.To, rule.To) }
	services := func(b *policy.Rule) bool { return sameServices(b.Services, rule.Services) }
	for _, way := range []struct {
		alike, too func(*policy.Rule) bool
		add        func(*policy.Rule)
	}{
		{from, to, func(b *policy.Rule) { b.Services = mergeServices(b.Services, rule.Services) }},
		{to, services, func(b *policy.Rule) { b.From = mergePeers(b.From, rule.From) }},
		{from, services, func(b *policy.Rule) { b.To = mergePeers(b.To, rule.To) }},
	} {
		for i := range p.Rules {
			b := &p.Rules[i]
			k := ruleID{p.Name, b.Name}
			if r.added[k] || b.Action != policy.Allow || b.Process != "" || !way.alike(b) || !way.too(b) {
				continue
			}
			if _, done := r.before[k]; !done {
				r.before[k] = *b
			}
			way.add(b)
			b.Description = also(b.Description, rule.Description)
			return b.Name, true
		}
	}
	return "", false
}

// also joins two descriptions.
func also(old, more string) string {
	if old == "" || more == "" {
		return cmp.Or(old, more)
	}
	return old + " Also: " + more
}

func sameServices(a, b []policy.Service) bool {
	return slices.Equal(plainServices(a), plainServices(b))
}

// plainServices are the services without the names they were written by, sorted.
func plainServices(list []policy.Service) []policy.Service {
	list = slices.Clone(list)
	for i := range list {
		list[i].Name = ""
	}
	slices.SortFunc(list, compareServices)
	return slices.Compact(list)
}

// mergeServices unites lists; an empty one is every service.
func mergeServices(a, b []policy.Service) []policy.Service {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.ContainsFunc(a, func(x policy.Service) bool { return x.Proto == s.Proto && x.From <= s.From && s.To <= x.To }) {
			out = append(out, s)
		}
	}
	return out
}

// same reports whether two lists of peers are the same nodes of the map, and some.
func (r *reuse) same(a, b []policy.Peer) bool {
	if peersText(a) == peersText(b) {
		return true
	}
	x, y := r.extent(a), r.extent(b)
	return len(x) > 0 && slices.Equal(x, y)
}

func peersText(peers []policy.Peer) string {
	words := make([]string, len(peers))
	for i, p := range peers {
		words[i] = p.String()
	}
	slices.Sort(words)
	return fmt.Sprintf("%q", words)
}

// extent lists the nodes that are one of the peers, sorted. "any" is nobody in
// particular and has none.
func (r *reuse) extent(peers []policy.Peer) []int32 {
	key := peersText(peers)
	if list, ok := r.extents[key]; ok {
		return list
	}
	var out []int32
	for i := range peers {
		p := &peers[i]
		switch {
		case p.Any:
			r.extents[key] = nil
			return nil
		case p.Selector != nil:
			out = append(out, r.selected(p.Selector)...)
		default:
			out = append(out, r.addressed(p)...)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	r.extents[key] = out
	return out
}

// addressed lists the nodes a network, prefix or domain holds.
func (r *reuse) addressed(p *policy.Peer) (out []int32) {
	for i := range r.d.m.Graph.Nodes {
		n := &r.d.m.Graph.Nodes[i]
		party := PartyOf(r.d.m, int32(i))
		if p.Network != "" && n.Kind == topology.NodeNetwork && networkName(n.Name) == p.Network || p.Matches(&party, r.base.Network) {
			out = append(out, int32(i))
		}
	}
	return out
}

// changes says of every rule of the set where it comes from.
func (r *reuse) changes(set *policy.Set) (out []policy.RuleChange) {
	was := map[ruleID]bool{}
	for i := range r.base.Policies {
		for _, rule := range r.base.Policies[i].Rules {
			was[ruleID{r.base.Policies[i].Name, rule.Name}] = true
		}
	}
	for i := range set.Policies {
		for _, rule := range set.Policies[i].Rules {
			k := ruleID{set.Policies[i].Name, rule.Name}
			c := policy.RuleChange{Policy: k.policy, Rule: k.rule, After: rule, Origin: policy.OriginKept}
			before, extended := r.before[k]
			switch used := len(r.behind[k]); {
			case !was[k]:
				c.Origin, c.Why = policy.OriginNew, rule.Description
			case extended:
				c.Origin, c.Before, c.Why = policy.OriginExtended, &before, policy.RuleDifference(&before, &rule)
			case used == 0 && rule.Action == policy.Allow:
				c.Origin, c.Why = policy.OriginUnused, "no connection of the window used it"
			case used == 0:
				c.Why = "it stopped nothing in the window"
			case rule.Action != policy.Allow:
				c.Why = fmt.Sprintf("it stops %s", plural(used, "dependency"))
			default:
				c.Why = fmt.Sprintf("used by %s", plural(used, "dependency"))
			}
			out = append(out, c)
		}
	}
	slices.SortFunc(out, policy.CompareRuleChanges)
	return out
}

// denied says which rules of the base stop what looks legitimate: somebody
// decided that, and a recommendation does not overrule it.
func (r *reuse) denied() (notes []string) {
	for i := range r.base.Policies {
		p := &r.base.Policies[i]
		for j := range p.Rules {
			if p.Rules[j].Action == policy.Allow {
				continue
			}
			n := 0
			for _, dep := range r.behind[ruleID{p.Name, p.Rules[j].Name}] {
				if r.d.concerns[dep] == none {
					n++
				}
			}
			if n > 0 {
				notes = append(notes, fmt.Sprintf("rule %q of policy %q denies %s that look legitimate; no rule is recommended against it",
					p.Rules[j].Name, p.Name, plural(n, "dependency")))
			}
		}
	}
	return notes
}
