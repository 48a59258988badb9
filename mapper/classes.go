package mapper

import (
	"slices"

	"github.com/bulkhead/bulkhead/flow"
)

// A class is a set of nodes that behave alike: they serve and use the same
// services with the same classes of peers, whoever those peers are (regular
// equivalence). The web tiers of two unrelated applications may share a class;
// groups.go tells them apart.
//
// Classes are found by rounds of colour refinement in which colours are not exact
// signatures but clusters of them, so that a missing or an extra dependency does
// not tear a tier apart: round 0 looks at services alone, each later round adds
// the peers' classes of the round before.

// maxRounds bounds the refinement; estates seen so far settle in three.
const maxRounds = 3

// Directions of a feature.
const (
	asClient = 0
	asServer = 1
)

// featureKey names a behaviour: direction, service and the peer's class, mixed
// into 64 bits of which the lowest is the direction. Collisions (2^-63 per pair)
// only blur two behaviours.
func featureKey(dir uint64, s flow.Service, peer int32) uint64 {
	return mix(dir<<63^uint64(s.Proto)<<48^uint64(s.Port)<<32^uint64(uint32(peer)))&^1 | dir
}

// mix is the finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014,
// doi:10.1145/2660193.2660195): a bijection, so it cannot lose information.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// findClasses returns each node's class and how many there are.
func (w *work) findClasses() ([]int32, int) {
	n := len(w.nodes)
	class, count := make([]int32, n), 1
	for i := range w.nodes {
		if !w.nodes[i].Inside() { // outside nodes are what they are
			class[i] = int32(count)
			count++
		}
	}
	var arena []uint64
	for round := range maxRounds {
		var features [][]uint64
		features, arena = w.classFeatures(class, round > 0, arena)
		next, nextCount := agglomerate(features)
		same := samePartition(class, next)
		class, count = next, nextCount
		if same {
			break
		}
	}
	return class, count
}

// classFeatures lists each node's behaviours, sorted and distinct, in arena, which
// is made when it is nil and returned.
func (w *work) classFeatures(class []int32, withPeers bool, arena []uint64) ([][]uint64, []uint64) {
	features := make([][]uint64, len(w.nodes))
	if arena = arena[:0]; arena == nil {
		arena = make([]uint64, 0, 2*len(w.deps)+2*len(w.nodes))
	}
	peer := func(i int32) int32 {
		if withPeers || !w.nodes[i].Inside() {
			return class[i]
		}
		return -1
	}
	for i := range w.nodes {
		start := len(arena)
		if !w.nodes[i].Inside() {
			arena = append(arena, mix(uint64(i)^1<<40), mix(uint64(i)^1<<41))
		} else {
			arena = w.appendBehaviour(arena, int32(i), peer)
		}
		f := arena[start:]
		slices.Sort(f)
		f = slices.Compact(f)
		arena = arena[:start+len(f)]
		features[i] = f[:len(f):len(f)]
	}
	return features, arena
}

// appendBehaviour appends the keys of what node i serves and uses.
func (w *work) appendBehaviour(keys []uint64, i int32, peer func(int32) int32) []uint64 {
	from, to := w.adj.uses(i)
	for d := from; d < to; d++ {
		if !w.passing(d) {
			keys = append(keys, featureKey(asClient, w.service[d], peer(w.deps[d].Server)))
		}
	}
	for _, d := range w.adj.serves(i) {
		if !w.passing(d) {
			keys = append(keys, featureKey(asServer, w.service[d], peer(w.deps[d].Client)))
		}
	}
	return keys
}

// passing reports a dependency that says little about what its ends are: seen
// once and never again although the window was long enough to see it again, or an
// open door that a scan found.
func (w *work) passing(d int32) bool { return w.brief[d] }

func (w *work) findPassing() {
	const day = 24 * 3600 * 1e9
	long := w.m.Until-w.m.Since > 4*day
	w.brief = make([]bool, len(w.deps))
	for i := range w.deps {
		d := &w.deps[i]
		w.brief[i] = d.Flows <= 2 && d.Days <= 1 && (long || w.scans(d.Client))
	}
}

// samePartition reports whether two numberings draw the same lines.
func samePartition(a, b []int32) bool {
	there, back := map[int32]int32{}, map[int32]int32{}
	for i := range a {
		if x, ok := there[a[i]]; ok && x != b[i] {
			return false
		}
		if y, ok := back[b[i]]; ok && y != a[i] {
			return false
		}
		there[a[i]], back[b[i]] = b[i], a[i]
	}
	return true
}
