package view

import (
	"cmp"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// News is what a map shows for the first time since a moment, and what it has
// stopped showing.
type News struct {
	Began        flow.Time `json:"began"` // of what was recorded: nothing before it can be old
	Since        flow.Time `json:"since"`
	Until        flow.Time `json:"until"`
	Workloads    []Arrival `json:"workloads"` // inside, first seen since; at most 200
	WorkloadsAll int       `json:"workloadsTotal"`
	// Access is new use of a service, most important first; at most 300 of each kind.
	Access    []Access `json:"access"`
	AccessAll int      `json:"accessTotal"`
	NovelAll  int      `json:"novelTotal"`   // of them Novel
	Deps      int      `json:"dependencies"` // workload to workload, behind Access
	// Quiet is use that came regularly before and not once since, for longer than
	// its rhythm explains.
	Quiet    []Access `json:"quiet"`
	QuietAll int      `json:"quietTotal"`
}

// Arrival is a workload or address that was not seen before.
type Arrival struct {
	Ref
	First  flow.Time    `json:"first"`
	Serves []ServiceUse `json:"serves"` // at most 3
	Uses   int          `json:"uses"`   // dependencies on others
}

// Access is all use of one service between two roles, or between what has none.
type Access struct {
	From    Ref          `json:"from"` // a group and its role; ID is the top-level box
	To      Ref          `json:"to"`
	Service flow.Service `json:"service"`
	// Novel says that nobody of From used this service of anybody of To before;
	// otherwise more workloads joined those that did.
	Novel   bool      `json:"novel"`
	Deps    int       `json:"dependencies"`
	Flows   uint64    `json:"flows"`
	First   flow.Time `json:"first"`
	Last    flow.Time `json:"last"`
	Clients []Ref     `json:"clients"` // new ones; at most 6
	Servers []Ref     `json:"servers"`
}

const (
	newsWorkloads = 200
	newsAccess    = 300
	newsEnds      = 6
	quietDays     = 2 // days of use before its end is worth telling
	quietGaps     = 3 // times the usual gap that it must have been silent
)

// News compares what was first seen at or after since with what was there before.
func (x *Index) News(since flow.Time, keys []string) *News {
	n := &News{Began: x.Map.Since, Since: since, Until: x.Map.Until, Workloads: []Arrival{}, Access: []Access{}, Quiet: []Access{}}
	n.arrivals(x, since)
	t := x.tallyAccess(since, keys)
	for _, a := range t {
		switch {
		case a.fresh.Deps > 0:
			a.fresh.Novel = a.before == 0
			n.Deps += a.fresh.Deps
			if a.fresh.Novel {
				n.NovelAll++
			}
			n.Access = append(n.Access, a.fresh)
		case a.live == 0 && a.days >= quietDays && a.overdue(n.Until):
			n.Quiet = append(n.Quiet, a.quiet)
		}
	}
	slices.SortFunc(n.Access, func(a, b Access) int {
		return cmp.Or(order(b.Novel, a.Novel), order(a.From.Kind == KindInfrastructure, b.From.Kind == KindInfrastructure),
			cmp.Compare(b.To.Priority, a.To.Priority), byAccess(a, b))
	})
	slices.SortFunc(n.Quiet, func(a, b Access) int { return cmp.Or(cmp.Compare(b.Flows, a.Flows), byAccess(a, b)) })
	n.AccessAll, n.QuietAll = len(n.Access), len(n.Quiet)
	n.Access, n.Quiet = n.Access[:min(len(n.Access), newsAccess)], n.Quiet[:min(len(n.Quiet), newsAccess)]
	return n
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func byAccess(a, b Access) int {
	return cmp.Or(cmp.Compare(a.To.ID, b.To.ID), cmp.Compare(a.To.Role, b.To.Role), cmp.Compare(a.From.ID, b.From.ID), cmp.Compare(a.From.Role, b.From.Role), a.Service.Compare(b.Service))
}

// arrivals finds the inside nodes none of whose dependencies is older than since.
func (n *News) arrivals(x *Index, since flow.Time) {
	for i := range x.Map.Graph.Nodes {
		node := &x.Map.Graph.Nodes[i]
		if !node.Inside() {
			continue
		}
		first := x.firstSeen(int32(i))
		if first == 0 || first < since {
			continue
		}
		a := Arrival{Ref: x.Ref(int32(i)), First: first, Serves: []ServiceUse{}, Uses: len(x.out(int32(i)))}
		for _, d := range x.in(int32(i)) {
			dep := &x.Map.Graph.Deps[d]
			a.Serves = addUse(a.Serves, dep.Service, dep.Flows)
		}
		slices.SortFunc(a.Serves, byUse)
		a.Serves = a.Serves[:min(len(a.Serves), 3)]
		n.Workloads = append(n.Workloads, a)
	}
	n.WorkloadsAll = len(n.Workloads)
	slices.SortFunc(n.Workloads, func(a, b Arrival) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.First, b.First), cmp.Compare(a.ID, b.ID))
	})
	n.Workloads = n.Workloads[:min(len(n.Workloads), newsWorkloads)]
}

// firstSeen is when a node was first part of a dependency, 0 for never.
func (x *Index) firstSeen(n int32) (first flow.Time) {
	earlier := func(t flow.Time) {
		if first == 0 || t < first {
			first = t
		}
	}
	for _, d := range x.out(n) {
		earlier(d.First)
	}
	for _, i := range x.in(n) {
		earlier(x.Map.Graph.Deps[i].First)
	}
	return first
}

// accessKey is who uses what of whom, by role within a group.
type accessKey struct {
	from, to   string
	fromR, toR int32
	service    flow.Service
}

type accessTally struct {
	fresh, quiet Access
	before       int    // dependencies known before
	live         int    // of them seen since
	days         uint32 // most days that one of them was seen
}

// overdue says that the use has been silent for longer than its rhythm explains:
// what runs on weekdays is not gone on a Saturday.
func (t *accessTally) overdue(until flow.Time) bool {
	usual := t.quiet.Last.Sub(t.quiet.First) / time.Duration(max(1, t.days-1))
	return until.Sub(t.quiet.Last) > max(usual, 24*time.Hour)*quietGaps
}

func (x *Index) tallyAccess(since flow.Time, keys []string) map[accessKey]*accessTally {
	groups := make([]group, len(x.Map.Graph.Nodes))
	for i := range groups {
		groups[i] = x.groupOf(int32(i), keys)
	}
	out := map[accessKey]*accessTally{}
	for i := range x.Map.Graph.Deps {
		d := &x.Map.Graph.Deps[i]
		from, to := &groups[d.Client], &groups[d.Server]
		key := accessKey{from.id, to.id, x.roleIn(from, d.Client), x.roleIn(to, d.Server), d.Service}
		t := out[key]
		if t == nil {
			t = &accessTally{}
			t.fresh = Access{From: x.placeRef(from, d.Client), To: x.placeRef(to, d.Server), Service: d.Service, Clients: []Ref{}, Servers: []Ref{}}
			t.quiet = t.fresh
			out[key] = t
		}
		if d.First >= since {
			t.fresh.add(x, d)
			continue
		}
		t.before++
		t.days = max(t.days, d.Days)
		if d.Last >= since {
			t.live++
		}
		t.quiet.add(x, d)
	}
	return out
}

func (a *Access) add(x *Index, d *topology.Dependency) {
	a.Deps++
	a.Flows += d.Flows
	if a.First == 0 || d.First < a.First {
		a.First = d.First
	}
	a.Last = max(a.Last, d.Last)
	a.To.Priority = max(a.To.Priority, x.priority(d.Server))
	a.Clients, a.Servers = x.addEnd(a.Clients, d.Client), x.addEnd(a.Servers, d.Server)
}

func (x *Index) addEnd(list []Ref, n int32) []Ref {
	id := idNode + x.Map.Graph.Nodes[n].ID
	if len(list) == newsEnds || slices.ContainsFunc(list, func(r Ref) bool { return r.ID == id }) {
		return list
	}
	return append(list, x.Ref(n))
}

// roleIn is the role of a node where its group has roles, -1 elsewhere.
func (x *Index) roleIn(g *group, n int32) int32 {
	if g.kind == KindApplication || g.kind == KindGroup {
		return x.role(n)
	}
	return -1
}

// placeRef names the group of a node, and its role there.
func (x *Index) placeRef(g *group, n int32) Ref {
	r := Ref{ID: g.id, Name: g.name, Kind: g.kind, Env: g.env}
	if role := x.roleIn(g, n); role >= 0 {
		r.Role = x.Map.Roles[role].Name
	}
	return r
}
