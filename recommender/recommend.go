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
	// Base gives the always-allowed list and the break-glass networks; nil means
	// the defaults.
	Base *policy.Set
}

// Recommend writes the policies that allow what was seen and nothing else, in
// draft. Dependencies that a person must decide are in Decisions, not in the set.
func Recommend(m *topology.Map, probes []flow.Probe, opt Options) (*policy.Recommendation, error) {
	e := newEstate(m)
	d := &draft{estate: e, opt: opt, concerns: e.concerns(probes, opt.Level), rec: &policy.Recommendation{Level: opt.Level, Since: m.Since, Until: m.Until}}
	d.written, d.ranges = e.services(d.concerns)
	d.collect()
	set := &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed()}
	if opt.Base != nil {
		set.AlwaysAllowed, set.BreakGlass = opt.Base.AlwaysAllowed, opt.Base.BreakGlass
	}
	for i := range e.apps {
		if d.inScope(e.apps[i].appKey) {
			set.Policies = append(set.Policies, d.policy(int32(i)))
		}
	}
	d.rec.Decisions = d.decisions()
	d.allowDecided(set)
	set.Networks = d.networks(set)
	set = set.Normal()
	if err := set.Validate(); err != nil {
		return nil, fmt.Errorf("recommend at level %s: %w", opt.Level, err)
	}
	d.rec.Set = set
	d.finish()
	return d.rec, nil
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
	behind   map[string][]int32 // dependencies of each decision, by its ID
}

// collect turns every dependency that is allowed into a cell of the policy that
// protects its server, and with egress restricted of the client's too.
func (d *draft) collect() {
	d.placeAt, d.svcAt = map[place]int32{}, map[policy.Service]int32{}
	d.byPolicy = make([]map[policy.Cell][]int32, len(d.apps))
	d.names, d.named = map[string]bool{}, map[appKey]string{}
	baseline := d.baseline()
	for i := range d.m.Graph.Deps {
		dep := &d.m.Graph.Deps[i]
		if d.concerns[i] != none {
			continue
		}
		client, server := &d.groups[d.groupOf[dep.Client]], &d.groups[d.groupOf[dep.Server]]
		c := policy.Cell{d.number(d.placeOf(dep.Client, d.opt.Level)), d.number(d.placeOf(dep.Server, d.opt.Level)), d.service(i, client, server)}
		if client.inside && baseline[shared{d.groupOf[dep.Server], dep.Service}] {
			c[policy.ByFrom], c[policy.ByService] = d.number(place{every: true}), d.numberService(d.written[i])
			c[policy.ByTo] = d.number(place{groupKey: server.groupKey})
		}
		if server.app >= 0 {
			d.add(server.app, c, int32(i))
		}
		if d.opt.Egress == policy.EgressRestrict && client.app >= 0 && client.app != server.app {
			c[policy.ByFrom] = d.number(d.placeOf(dep.Client, d.opt.Level))
			d.add(client.app, c, int32(i))
		}
	}
	d.renumber()
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
	base := slug(k.app)
	if k.env != "" {
		base = slug(k.app + "-" + k.env)
	}
	d.named[k] = unique(base, d.names)
	return d.named[k]
}

// policy writes the policy of one application.
func (d *draft) policy(i int32) policy.Policy {
	a := &d.apps[i]
	scope := topology.Labels{topology.LabelApp: a.app}
	if a.env != "" {
		scope[topology.LabelEnv] = a.env
	}
	p := policy.Policy{Name: d.policyName(a.appKey), Scope: policy.Select(scope), Egress: d.opt.Egress,
		Description: fmt.Sprintf("Protects the %s of %s.", plural(len(a.nodes), "workload"), a.appKey)}
	cells := make([]policy.Cell, 0, len(d.byPolicy[i]))
	for c := range d.byPolicy[i] {
		cells = append(cells, c)
	}
	slices.SortFunc(cells, func(x, y policy.Cell) int { return slices.Compare(x[:], y[:]) })
	taken := map[string]bool{}
	for _, c := range policy.Covers(cells) {
		r := d.rule(a.appKey, c)
		r.Name = unique(r.Name, taken)
		p.Rules = append(p.Rules, r)
		d.rec.Evidence = append(d.rec.Evidence, d.evidence(p.Name, r.Name, d.depsOf(i, c)))
	}
	return p
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
