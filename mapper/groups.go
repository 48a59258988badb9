package mapper

import (
	"cmp"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
)

// findRoles splits every class into groups whose members deal with the same
// peers, not only with the same kinds of peers: the web tier of one application,
// not all web tiers. Two members of a class belong together when, for most of the
// things they use or for most of the things they serve, the other side is the
// same group. That is applied bottom up, every node by itself at first, until
// nothing more joins: store servers join because they all report to one
// head-office server, then the terminals join because they all use the store
// servers, which are one group now.
func (w *work) findRoles() {
	w.role = make([]int32, len(w.nodes))
	g := grouping{work: w, sets: newDisjoint(len(w.nodes))}
	g.joinSharedInfrastructure()
	g.joinByName()
	for range maxJoinRounds {
		if g.round() == 0 {
			break
		}
	}
	w.role, w.roles = g.sets.number(func(i int32) bool { return w.nodes[i].Inside() })
}

// maxJoinRounds bounds the propagation; each round carries equivalence one hop
// further, and few networks are deeper than that.
const maxJoinRounds = 8

type grouping struct {
	*work
	sets *disjoint
}

// slot is one thing a node does: direction, service and the class of the peer.
// Peers are compared within a slot.
type slot struct {
	key   uint64
	peers []int32 // groups, sorted, distinct
	dir   uint64
}

// joinSharedInfrastructure puts members of one class that are the same kind of
// shared infrastructure together: two directory servers need not share clients
// in order to be one role.
func (g *grouping) joinSharedInfrastructure() {
	type kindOf struct {
		kind  string
		class int32
		env   string
	}
	first := map[kindOf]int32{}
	for i := range g.nodes {
		if g.infra[i] < 0 || !g.nodes[i].Inside() {
			continue
		}
		k := kindOf{g.m.Infrastructure[g.infra[i]].Kind, g.class[i], g.env(int32(i))}
		if j, ok := first[k]; ok {
			g.join(j, int32(i))
		} else {
			first[k] = int32(i)
		}
	}
}

// joinByName joins nodes of a class whose host names differ in digits only.
func (g *grouping) joinByName() {
	type named struct {
		stem  string
		class int32
	}
	first := map[named]int32{}
	for i := range g.nodes {
		if g.names[i].stem == "" || !g.nodes[i].Inside() || g.infra[i] >= 0 {
			continue
		}
		k := named{g.names[i].stem, g.class[i]}
		if j, ok := first[k]; ok {
			g.join(j, int32(i))
		} else {
			first[k] = int32(i)
		}
	}
}

// round compares members of the same class that share a peer group, and joins
// them; it returns how many joins it made.
func (g *grouping) round() int {
	slots := g.allSlots()
	type meeting struct {
		class int32
		key   uint64
		peer  int32
	}
	meet := map[meeting][]int32{}
	var order []meeting
	for i := range g.nodes {
		for _, s := range slots[i] {
			for _, p := range s.peers {
				m := meeting{g.class[i], s.key, p}
				if _, ok := meet[m]; !ok {
					order = append(order, m)
				}
				meet[m] = append(meet[m], int32(i))
			}
		}
	}
	joins := 0
	for _, m := range order {
		members := meet[m]
		for k := 1; k < len(members); k++ {
			for _, j := range [2]int32{members[k-1], members[0]} {
				if i := members[k]; g.alike(slots[i], slots[j]) && g.join(i, j) {
					joins++
				}
			}
		}
	}
	return joins
}

// join unites the groups of i and j unless what is known of them forbids it.
func (g *grouping) join(i, j int32) bool {
	if a, b := g.env(i), g.env(j); a != "" && b != "" && a != b {
		return false
	}
	return g.sets.union(i, j)
}

// alike reports whether two nodes of a class deal with the same groups in more
// than half of what they use, or in more than half of what they serve.
func (g *grouping) alike(a, b []slot) bool {
	var same, all [2]float64
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case j == len(b) || (i < len(a) && a[i].key < b[j].key):
			all[a[i].dir]++
			i++
		case i == len(a) || b[j].key < a[i].key:
			all[b[j].dir]++
			j++
		default:
			all[a[i].dir]++
			same[a[i].dir] += overlap(a[i].peers, b[j].peers)
			i, j = i+1, j+1
		}
	}
	return same[asClient] > all[asClient]/2 || same[asServer] > all[asServer]/2
}

// overlap is the Jaccard index of two sorted sets.
func overlap(a, b []int32) float64 {
	common := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch c := cmp.Compare(a[i], b[j]); {
		case c < 0:
			i++
		case c > 0:
			j++
		default:
			common++
			i, j = i+1, j+1
		}
	}
	return float64(common) / float64(len(a)+len(b)-common)
}

// allSlots lists what each inside node that is not infrastructure does with peers
// that are not infrastructure either, ordered by key.
func (g *grouping) allSlots() [][]slot {
	slots := make([][]slot, len(g.nodes))
	var ends []end
	for i := range g.nodes {
		if !g.nodes[i].Inside() || g.infra[i] >= 0 {
			continue
		}
		ends = g.appendEnds(ends[:0], int32(i))
		slices.SortFunc(ends, func(a, b end) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.peer, b.peer)) })
		ends = slices.Compact(ends)
		for k, e := range ends {
			if k == 0 || ends[k-1].key != e.key {
				slots[i] = append(slots[i], slot{key: e.key, dir: e.dir})
			}
			s := &slots[i][len(slots[i])-1]
			s.peers = append(s.peers, e.peer)
		}
	}
	return slots
}

// end is one dependency seen from one of its ends.
type end struct {
	key  uint64
	dir  uint64
	peer int32
}

func (g *grouping) appendEnds(ends []end, i int32) []end {
	add := func(dir uint64, d, peer int32) {
		if g.infra[peer] < 0 && g.nodes[peer].Kind != topologyInternet && !g.passing(d) {
			ends = append(ends, end{featureKey(dir, g.service[d], g.class[peer]), dir, g.sets.find(peer)})
		}
	}
	from, to := g.adj.uses(i)
	for d := from; d < to; d++ {
		add(asClient, d, g.deps[d].Server)
	}
	for _, d := range g.adj.serves(i) {
		add(asServer, d, g.deps[d].Client)
	}
	return ends
}

// effectiveServices gives each dependency's service, with the high ports of
// servers that hand them out dynamically (RPC endpoint mapper, passive FTP)
// folded into one.
func (w *work) effectiveServices() []flow.Service {
	const firstDynamic, tooMany = 32768, 4
	high := make(map[int32]map[flow.Service]bool)
	for i := range w.deps {
		d := &w.deps[i]
		if d.Service.Port >= firstDynamic && flow.HasPorts(d.Service.Proto) {
			if high[d.Server] == nil {
				high[d.Server] = map[flow.Service]bool{}
			}
			high[d.Server][d.Service] = true
		}
	}
	services := make([]flow.Service, len(w.deps))
	for i := range w.deps {
		d := &w.deps[i]
		services[i] = d.Service
		if len(high[d.Server]) > tooMany && high[d.Server][d.Service] {
			services[i].Port = 65535
		}
	}
	return services
}
