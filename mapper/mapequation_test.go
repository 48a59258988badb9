package mapper

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/graph/community"
	"gonum.org/v1/gonum/graph/simple"
)

// planted is a random graph of n nodes in groups of size, with links per node on
// average of which inside is the share within the group.
func planted(n, size, perNode int, inside float64, seed uint64) []link {
	r := rand.New(rand.NewPCG(seed, seed))
	links := make([]link, 0, n*perNode)
	for range n * perNode {
		a := r.IntN(n)
		b := r.IntN(n)
		if r.Float64() < inside {
			b = a/size*size + r.IntN(size)
		}
		if a != b {
			links = append(links, link{int32(min(a, b)), int32(max(a, b)), 1})
		}
	}
	return links
}

// codeLength is the map equation computed from its definition.
func codeLength(n int, links []link, of []int32) float64 {
	total, strength := 0.0, make([]float64, n)
	flow, exit := map[int32]float64{}, map[int32]float64{}
	for _, l := range links {
		total += 2 * l.weight
		strength[l.a] += l.weight
		strength[l.b] += l.weight
	}
	for _, l := range links {
		if of[l.a] != of[l.b] {
			exit[of[l.a]] += l.weight / total
			exit[of[l.b]] += l.weight / total
		}
	}
	length, exits := 0.0, 0.0
	for i, s := range strength {
		flow[of[i]] += s / total
		length -= plogp(s / total)
	}
	for m, p := range flow {
		exits += exit[m]
		length += plogp(p+exit[m]) - 2*plogp(exit[m])
	}
	return length + plogp(exits)
}

func TestWeightedSumsLinks(t *testing.T) {
	g := newWeighted(4, []link{{0, 1, 1}, {2, 1, 3}, {1, 0, 2}, {3, 3, 5}})
	if g.strength(0) != 3 || g.strength(1) != 6 || g.strength(3) != 10 || len(g.to) != 4 {
		t.Errorf("%+v", g)
	}
}

// On groups large enough for modularity, gonum's Louvain and the map equation
// find the same ones; and no partition gonum finds has a shorter code.
func TestModulesBesideGonum(t *testing.T) {
	for seed := range uint64(8) {
		const n, size = 200, 25
		links := planted(n, size, 8, 0.85, seed+1)
		ours, _ := modules(newWeighted(n, links))
		u := simple.NewUndirectedGraph()
		for i := range n {
			u.AddNode(simple.Node(i))
		}
		for _, l := range links {
			u.SetEdge(simple.Edge{F: simple.Node(l.a), T: simple.Node(l.b)})
		}
		theirs := make([]int32, n)
		for k, c := range community.Modularize(u, 1, rand.NewPCG(seed, 1)).Communities() {
			for _, m := range c {
				theirs[m.ID()] = int32(k)
			}
		}
		if a, b := codeLength(n, links, ours), codeLength(n, links, theirs); a > b+1e-9 {
			t.Errorf("seed %d: code length %.6f, of gonum's partition %.6f", seed, a, b)
		}
		for i := range n {
			if (ours[i] == ours[i/size*size]) != (theirs[i] == theirs[i/size*size]) {
				t.Errorf("seed %d: node %d: gonum's Louvain and the map equation differ", seed, i)
			}
		}
	}
}

// What improve believes to gain is what the code length loses.
func TestMovesChangeTheCodeAsTheySay(t *testing.T) {
	const n = 60
	links := planted(n, 12, 4, 0.7, 5)
	g := newWeighted(n, links)
	strength, total := g.shares()
	s := newModuleState(g, strength, total)
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		i, j := int32(r.IntN(n)), int32(r.IntN(n))
		before := codeLength(n, links, s.of)
		for e := g.start[i]; e < g.start[i+1]; e++ {
			s.between[s.of[g.to[e]]] += g.weight[e] * s.scale
		}
		old, m, out := s.of[i], s.of[j], s.outward(i)
		if old != m {
			change := s.join(i, old, m, out, s.leave(i, old, out))
			s.move(i, old, m, out)
			if after := codeLength(n, links, s.of); math.Abs(after-before-change) > 1e-9 {
				t.Fatalf("said %g, was %g", change, after-before)
			}
		}
		clear(s.between)
	}
}

// Two thousand groups of fifty are found, where modularity at resolution 1 finds
// about four hundred.
func TestModulesHaveNoResolutionLimit(t *testing.T) {
	const n, size = 20_000, 50
	of, k := modules(newWeighted(n, planted(n, size, 10, 0.8, 1)))
	wrong := 0
	for i := range n {
		if of[i] != of[i/size*size] {
			wrong++
		}
	}
	if k != n/size || wrong > n/1000 {
		t.Errorf("%d groups of %d, %d nodes not with their group's first", k, n/size, wrong)
	}
}
