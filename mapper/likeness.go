package mapper

import (
	"cmp"
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// end is what a group does with one peer group: a slot (direction, service and
// class of the peer), the peer group within the slot, and how much.
type end struct {
	group   int32
	peer    int32
	dir     uint64
	slot    uint64
	service flow.Service
	weight  float64
}

// doings lists what every group does, sorted by group, direction, slot and peer.
type doings struct {
	ends    []end
	start   []int32 // first end of a group, -1 for none
	serve   []int32 // first end of a group as server; where its ends end when it is none
	end     []int32 // where the ends of a group end
	members []int32 // size of the group, at its root
	// given are the services of each group, distinct; few, however many use it.
	given [][]flow.Service
}

// observe sums the dependencies of nodes that are not infrastructure with peers
// that are neither infrastructure, nor the wide internet, nor of their own class:
// what equals do among themselves (replication, gossip) says nothing about which
// application they belong to. A dependency weighs the square root of its flows,
// so that neither a chatty service nor a rare one decides alone.
func (g *grouping) observe() *doings {
	d := &doings{ends: g.scratch[:0]}
	defer func() { g.scratch = d.ends }() // what follows keeps nothing of it
	add := func(i int32, dir uint64, dep, peer int32) {
		if g.setAside(peer) || g.class[i] == g.class[peer] || g.passing(dep) {
			return
		}
		d.ends = append(d.ends, end{i, g.sets.find(peer), dir, featureKey(dir, g.service[dep], g.class[peer]), g.service[dep], math.Sqrt(float64(g.deps[dep].Flows))})
	}
	for i := range g.nodes {
		if g.setAside(int32(i)) {
			continue
		}
		first := len(d.ends)
		from, to := g.adj.uses(int32(i))
		for dep := from; dep < to; dep++ {
			add(int32(i), asClient, dep, g.deps[dep].Server)
		}
		for _, dep := range g.adj.serves(int32(i)) {
			add(int32(i), asServer, dep, g.deps[dep].Client)
		}
		slices.SortFunc(d.ends[first:], compareEnds)
	}
	d.merge(g.sets)
	return d
}

func compareEnds(a, b end) int {
	return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.dir, b.dir), cmp.Compare(a.slot, b.slot),
		cmp.Compare(a.peer, b.peer), cmp.Compare(a.weight, b.weight))
}

// regroup follows the joins made since, so that every round works on fewer ends.
func (d *doings) regroup(sets *disjoint) {
	for i := range d.ends {
		e := &d.ends[i]
		e.group, e.peer = sets.find(e.group), sets.find(e.peer)
	}
	slices.SortFunc(d.ends, compareEnds)
	d.merge(sets)
}

// merge unites sorted ends of the same group, slot and peer.
func (d *doings) merge(sets *disjoint) {
	n := len(sets.parent)
	d.start, d.members = make([]int32, n), make([]int32, n)
	for i := range n {
		d.start[i] = -1
		d.members[sets.find(int32(i))]++
	}
	out := d.ends[:0]
	for _, e := range d.ends {
		if n := len(out); n > 0 && out[n-1].group == e.group && out[n-1].slot == e.slot && out[n-1].peer == e.peer {
			out[n-1].weight += e.weight
			continue
		}
		if d.start[e.group] < 0 {
			d.start[e.group] = int32(len(out))
		}
		out = append(out, e)
	}
	d.ends = out
	d.bound(n)
}

// bound finds where each group's ends as server begin and end, and what services
// they are.
func (d *doings) bound(groups int) {
	d.serve, d.end, d.given = make([]int32, groups), make([]int32, groups), make([][]flow.Service, groups)
	var arena []flow.Service
	for from := 0; from < len(d.ends); {
		group, to := d.ends[from].group, from
		for to < len(d.ends) && d.ends[to].group == group && d.ends[to].dir == asClient {
			to++
		}
		d.serve[group] = int32(to)
		first := len(arena)
		for ; to < len(d.ends) && d.ends[to].group == group; to++ {
			s := d.ends[to].service
			if n := len(arena); (n == first || arena[n-1] != s) && !slices.Contains(arena[first:], s) {
				arena = append(arena, s)
			}
		}
		d.given[group], d.end[group] = arena[first:len(arena):len(arena)], int32(to)
		from = to
	}
}

// setAside reports nodes that do not tell applications apart.
func (w *work) setAside(i int32) bool {
	k := w.nodes[i].Kind
	return w.infra[i] >= 0 || k == topology.NodeInternet || k == topology.NodeMulticast
}

// of returns a group's ends as client, or as server when it uses nothing: what a
// machine uses says which application it is part of, who uses it only when
// nothing else does, since twenty web tiers may share the people who browse them.
func (d *doings) of(group int32) []end {
	from := d.start[group]
	if from < 0 {
		return nil
	}
	to := from
	for to < int32(len(d.ends)) && d.ends[to].group == group && d.ends[to].dir == d.ends[from].dir {
		to++
	}
	return d.ends[from:to]
}

// contained is the share of what a does that it does with peers b has in the
// same slot, 0..1.
func contained(a, b []end) float64 {
	common, all := 0.0, 0.0
	j := 0
	for _, e := range a {
		all += e.weight
		for j < len(b) && (b[j].slot < e.slot || (b[j].slot == e.slot && b[j].peer < e.peer)) {
			j++
		}
		if j < len(b) && b[j].slot == e.slot && b[j].peer == e.peer {
			common += e.weight
		}
	}
	if all == 0 {
		return 0
	}
	return common / all
}

// Shares of what a group does that it must do with another's peers to be part of
// it: most of it, or a good part when their host names agree.
const (
	likeBar      = 0.5
	likeNamedBar = 0.35
)

// alike reports whether two groups of a class are one: more than the bar of what
// the smaller does it does with the larger one's peers and, when they are of like
// size, the other way round too.
func (d *doings) alike(x, y int32, bar float64) bool {
	if d.serveOtherThings(x, y) {
		return false
	}
	small, large := x, y
	if d.members[small] > d.members[large] {
		small, large = large, small
	}
	a, b := d.of(small), d.of(large)
	if contained(a, b) <= bar {
		return false
	}
	return d.members[large] > 2*d.members[small] || contained(b, a) > bar
}

// serveOtherThings reports two groups that both serve somebody and have no
// service in common: two parts of an application, however alike they behave.
func (d *doings) serveOtherThings(x, y int32) bool {
	a, b := d.given[x], d.given[y]
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	return !slices.ContainsFunc(a, func(s flow.Service) bool { return slices.Contains(b, s) })
}

// serving are a group's ends as server.
func (d *doings) serving(group int32) []end {
	if d.start[group] < 0 {
		return nil
	}
	return d.ends[d.serve[group]:d.end[group]]
}

func (g *grouping) bar(x, y int32) float64 {
	if s := g.stemOf[g.sets.find(x)]; s != "" && s == g.stemOf[g.sets.find(y)] {
		return likeNamedBar
	}
	return likeBar
}

// operated reports a machine that the infrastructure looking after servers
// (monitoring, backup, jump hosts) comes to.
func (g *grouping) operated(i int32) bool {
	for _, d := range g.adj.serves(i) {
		if k := g.infra[g.deps[d].Client]; k >= 0 && !g.passing(d) && g.m.Infrastructure[k].Kind != KindScanner {
			return true
		}
	}
	return false
}

// round compares groups of the same class that share a peer, and joins those that
// are alike; it returns how many joins it made. Machines that serve nobody and
// that nobody operates, people's that is, are compared whatever their class:
// chance may have told two halves of the same offices apart.
func (g *grouping) round(d *doings) int {
	type meeting struct {
		class int32
		slot  uint64
		peer  int32
		group int32
		size  int32
	}
	meetings := make([]meeting, len(d.ends))
	class := int32(-1)
	for i, e := range d.ends {
		if i == 0 || d.ends[i-1].group != e.group { // ends are sorted by group
			if class = g.class[e.group]; len(d.serving(e.group)) == 0 && !g.operated(e.group) {
				class = -1
			}
		}
		meetings[i] = meeting{class, e.slot, e.peer, e.group, d.members[e.group]}
	}
	slices.SortFunc(meetings, func(a, b meeting) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.slot, b.slot), cmp.Compare(a.peer, b.peer),
			cmp.Compare(b.size, a.size), cmp.Compare(a.group, b.group))
	})
	joins, first := 0, 0
	for k, m := range meetings {
		if l := meetings[first]; k == 0 || l.class != m.class || l.slot != m.slot || l.peer != m.peer {
			first = k
			continue
		}
		for _, other := range [2]int32{meetings[first].group, meetings[k-1].group} {
			if g.sets.find(m.group) != g.sets.find(other) && d.alike(m.group, other, g.bar(m.group, other)) && g.join(m.group, other) {
				joins++
			}
		}
	}
	return joins
}
