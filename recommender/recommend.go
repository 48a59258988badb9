package recommender

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Options say what to recommend. The zero value asks for ringfences of the whole
// estate; set Level.
type Options struct {
	Level policy.Level
	// Scope keeps the policies of applications with these app and env labels; an
	// empty one keeps all.
	Scope topology.Labels
	// Egress restricts the outbound side of every policy too.
	Egress policy.Egress
	// Answers are what people said to earlier decisions, by Decision.ID.
	Answers map[string]string
	// Networks define the names that nodes outside go by; those missing are made
	// of the addresses seen.
	Networks []topology.Network
	// Base is what there is already: its always-allowed list, break-glass networks
	// and named networks hold, its policies and rules stay and are built on, see
	// RuleChange. nil means the defaults and no policy.
	Base *policy.Set
}

// Recommend writes the policies that allow what was seen and nothing else, in
// draft. Dependencies that a person must decide are in Decisions, not in the set.
func Recommend(m *topology.Map, probes []flow.Probe, opt Options) (*policy.Recommendation, error) {
	e := newEstate(m)
	d := &draft{estate: e, opt: opt, concerns: e.concerns(probes), rec: &policy.Recommendation{Level: opt.Level, Since: m.Since, Until: m.Until}}
	if err := d.write(); err != nil {
		return nil, fmt.Errorf("recommend at level %s: %w", opt.Level, err)
	}
	return d.rec, nil
}

// write makes the set of what concerns leave and puts the rest into decisions.
func (d *draft) write() error {
	d.written, d.ranges = d.services(d.concerns)
	d.names, d.named = map[string]bool{}, map[appKey]string{}
	d.reuse = d.newReuse()
	d.collect()
	set := &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed()}
	if d.opt.Base != nil {
		set.AlwaysAllowed, set.BreakGlass = d.opt.Base.AlwaysAllowed, d.opt.Base.BreakGlass
	}
	for i := range d.apps {
		if p, ok := d.policy(int32(i)); ok && d.inScope(d.apps[i].appKey) {
			set.Policies = append(set.Policies, p)
		}
	}
	if d.reuse != nil && len(d.opt.Scope) == 0 {
		set.Policies = append(set.Policies, d.reuse.left...)
	}
	d.rec.Decisions = d.decisions()
	d.allowDecided(set)
	d.hold(set)
	set.Networks = d.networks(set)
	set = set.Normal()
	if err := set.Validate(); err != nil {
		return err
	}
	d.rec.Set = set
	if d.reuse != nil {
		d.rec.Changes, d.rec.Before = d.reuse.changes(set), coverage(d.reuse.e, d.reuse.ids, d.m)
		d.rec.Evidence = append(d.rec.Evidence, d.keptEvidence(set)...)
		d.rec.Notes = append(d.rec.Notes, d.reuse.denied()...)
	}
	d.finish()
	return nil
}

// draft is the state of one recommendation.
type draft struct {
	*estate
	opt      Options
	rec      *policy.Recommendation
	concerns []policy.Concern // per dependency
	written  []policy.Service // per dependency
	ranges   map[betweenGroups]generalised
	// places and services give the numbers in cells their meaning.
	places   []place
	placeAt  map[place]int32
	svcs     []policy.Service
	svcAt    map[policy.Service]int32
	byPolicy []map[policy.Cell][]int32 // per application: dependencies behind each cell
	names    map[string]bool           // policy names in use
	named    map[appKey]string
	reuse    *reuse               // nil without a base
	skip     func(dep int32) bool // dependencies that are not asked about; nil for none
	behind   map[string][]int32   // dependencies of each decision, by its ID
}

// collect turns every dependency that is allowed into a cell of the policy that
// protects its server, and with egress restricted of the client's too.
func (d *draft) collect() {
	d.placeAt, d.svcAt = map[place]int32{}, map[policy.Service]int32{}
	d.byPolicy = make([]map[policy.Cell][]int32, len(d.apps))
	baseline := d.baseline()
	for i := range d.m.Graph.Deps {
		dep := &d.m.Graph.Deps[i]
		if d.concerns[i] != none || d.skip != nil && d.skip(int32(i)) {
			continue
		}
		client, server := &d.groups[d.groupOf[dep.Client]], &d.groups[d.groupOf[dep.Server]]
		c := policy.Cell{d.number(d.placeOf(dep.Client, d.opt.Level)), d.number(d.placeOf(dep.Server, d.opt.Level)), d.service(i, client, server)}
		if client.inside && baseline[shared{d.groupOf[dep.Server], dep.Service}] {
			c[policy.ByFrom], c[policy.ByService] = d.number(place{every: true}), d.numberService(d.written[i])
			c[policy.ByTo] = d.number(place{groupKey: server.groupKey})
		}
		if server.app >= 0 && !d.reuse.settles(int32(i), policy.Inbound) {
			d.add(server.app, c, int32(i))
		}
		if d.restricts(client.app) && client.app != server.app && !d.reuse.settles(int32(i), policy.Outbound) {
			c[policy.ByFrom] = d.number(d.placeOf(dep.Client, d.opt.Level))
			d.add(client.app, c, int32(i))
		}
	}
	d.renumber()
}

// restricts reports whether the outbound side of an application is denied by
// default: it is asked for, or its policy does so already.
func (d *draft) restricts(app int32) bool {
	if app < 0 {
		return false
	}
	return d.opt.Egress == policy.EgressRestrict || d.reuse != nil && d.reuse.own[app] != nil && d.reuse.own[app].Egress == policy.EgressRestrict
}

func (d *draft) add(app int32, c policy.Cell, dep int32) {
	if d.byPolicy[app] == nil {
		d.byPolicy[app] = map[policy.Cell][]int32{}
	}
	d.byPolicy[app][c] = append(d.byPolicy[app][c], dep)
}

// service is what the level asks for: any service inside a ringfence and between
// tiers, the one used otherwise.
func (d *draft) service(dep int, client, server *group) int32 {
	ringfenced := d.opt.Level == policy.Ringfence && client.app >= 0 && client.app == server.app
	if ringfenced || (d.opt.Level == policy.Tier && client.inside && server.inside) {
		return d.numberService(policy.Service{To: 65535})
	}
	return d.numberService(d.written[dep])
}

func (d *draft) number(p place) int32 {
	i, ok := d.placeAt[p]
	if !ok {
		i = int32(len(d.places))
		d.placeAt[p] = i
		d.places = append(d.places, p)
	}
	return i
}

func (d *draft) numberService(s policy.Service) int32 {
	i, ok := d.svcAt[s]
	if !ok {
		i = int32(len(d.svcs))
		d.svcAt[s] = i
		d.svcs = append(d.svcs, s)
	}
	return i
}

// shared is one service of one group of servers.
type shared struct {
	server  int32
	service flow.Service
}

// baseline finds what every workload may use: the services a machine does not
// work without, where shared infrastructure gives them to many applications.
func (d *draft) baseline() map[shared]bool {
	users := map[shared]map[int32]bool{}
	for i := range d.m.Graph.Deps {
		dep := &d.m.Graph.Deps[i]
		if baselineServices[dep.Service] == "" || d.infra[dep.Server] == "" || d.concerns[i] != none {
			continue
		}
		k := shared{d.groupOf[dep.Server], dep.Service}
		if users[k] == nil {
			users[k] = map[int32]bool{}
		}
		if app := d.groups[d.groupOf[dep.Client]].app; app >= 0 {
			users[k][app] = true
		}
	}
	out := map[shared]bool{}
	for k, apps := range users {
		out[k] = len(apps) >= max(5, len(d.apps)/4)
	}
	return out
}

func (d *draft) inScope(k appKey) bool {
	for key, want := range d.opt.Scope {
		switch key {
		case topology.LabelApp:
			if k.app != want {
				return false
			}
		case topology.LabelEnv:
			if k.env != want {
				return false
			}
		}
	}
	return true
}

// policyName is the name of an application's policy, the same in every run and
// level.
func (d *draft) policyName(k appKey) string {
	if name, ok := d.named[k]; ok {
		return name
	}
	d.named[k] = unique(plainName(k), d.names)
	return d.named[k]
}

// plainName is what the policy of an application is called unless the name is
// taken.
func plainName(k appKey) string {
	if k.env != "" {
		return slug(k.app + "-" + k.env)
	}
	return slug(k.app)
}

// newPolicy is the policy of an application, without rules: the one it has, or a
// draft of one.
func (d *draft) newPolicy(i int32) policy.Policy {
	a := &d.apps[i]
	if d.reuse != nil && d.reuse.own[i] != nil {
		p := *d.reuse.own[i]
		p.Egress = max(p.Egress, d.opt.Egress)
		return p
	}
	scope := topology.Labels{topology.LabelApp: a.app}
	if a.env != "" {
		scope[topology.LabelEnv] = a.env
	}
	return policy.Policy{Name: d.policyName(a.appKey), Scope: policy.Select(scope), Egress: d.opt.Egress,
		Description: fmt.Sprintf("Protects the %s of %s.", plural(len(a.nodes), "workload"), a.appKey)}
}

// policy writes the policy of one application; false when it needs none, because
// others that there are protect and allow all of it.
func (d *draft) policy(i int32) (policy.Policy, bool) {
	a := &d.apps[i]
	if len(d.byPolicy[i]) == 0 && d.reuse != nil && d.reuse.own[i] == nil && d.reuse.protects(i) {
		return policy.Policy{}, false
	}
	p := d.newPolicy(i)
	cells := make([]policy.Cell, 0, len(d.byPolicy[i]))
	for c := range d.byPolicy[i] {
		cells = append(cells, c)
	}
	slices.SortFunc(cells, func(x, y policy.Cell) int { return slices.Compare(x[:], y[:]) })
	taken := map[string]bool{}
	for _, r := range p.Rules {
		taken[r.Name] = true
	}
	for _, c := range policy.Covers(cells) {
		d.put(&p, d.rule(a.appKey, c), d.depsOf(i, c), taken)
	}
	return p, true
}

// put adds a rule to a policy: to one of its rules where it only extends that.
func (d *draft) put(p *policy.Policy, r policy.Rule, deps []int32, taken map[string]bool) {
	if d.reuse != nil {
		if name, ok := d.reuse.extend(p, r); ok {
			k := ruleID{p.Name, name}
			d.reuse.behind[k] = append(d.reuse.behind[k], deps...)
			return
		}
	}
	r.Name = unique(r.Name, taken)
	p.Rules = append(p.Rules, r)
	if d.reuse != nil {
		d.reuse.added[ruleID{p.Name, r.Name}] = true
	}
	d.rec.Evidence = append(d.rec.Evidence, d.evidence(p.Name, r.Name, deps))
}

// unique returns name, numbered from 2 where it is taken, and takes it.
func unique(name string, taken map[string]bool) string {
	out := name
	for n := 2; taken[out]; n++ {
		out = fmt.Sprintf("%s-%d", name, n)
	}
	taken[out] = true
	return out
}

// depsOf gathers the dependencies behind every cell of a cover.
func (d *draft) depsOf(app int32, c policy.Cover) (deps []int32) {
	for _, from := range c[policy.ByFrom] {
		for _, to := range c[policy.ByTo] {
			for _, svc := range c[policy.ByService] {
				deps = append(deps, d.byPolicy[app][policy.Cell{from, to, svc}]...)
			}
		}
	}
	slices.Sort(deps)
	return slices.Compact(deps)
}

// renumber puts places and services in order, so that rules come in the same
// order whatever else the estate holds.
func (d *draft) renumber() {
	placeOrder := ordered(d.places, place.compare)
	svcOrder := ordered(d.svcs, compareServices)
	for app, cells := range d.byPolicy {
		out := make(map[policy.Cell][]int32, len(cells))
		for c, deps := range cells {
			out[policy.Cell{placeOrder[c[policy.ByFrom]], placeOrder[c[policy.ByTo]], svcOrder[c[policy.ByService]]}] = deps
		}
		d.byPolicy[app] = out
	}
}

// ordered sorts list and returns old index → new index.
func ordered[T any](list []T, compare func(a, b T) int) []int32 {
	byNew := make([]int32, len(list))
	for i := range byNew {
		byNew[i] = int32(i)
	}
	slices.SortStableFunc(byNew, func(a, b int32) int { return compare(list[a], list[b]) })
	old := slices.Clone(list)
	order := make([]int32, len(list))
	for at, i := range byNew {
		list[at] = old[i]
		order[i] = int32(at)
	}
	return order
}

func compareServices(a, b policy.Service) int {
	return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
}
