package mapper

import (
	"cmp"
	"math"
	"slices"
)

// weighted is an undirected weighted graph in compressed sparse rows; every edge
// stands in both rows, self-loops in none (they are in loop).
type weighted struct {
	start  []int32
	to     []int32
	weight []float64
	loop   []float64 // per node, twice the weight kept inside it
}

// link is one undirected edge.
type link struct {
	a, b   int32
	weight float64
}

// newWeighted builds the graph of n nodes; links of the same pair are summed.
func newWeighted(n int, links []link) *weighted {
	g := &weighted{start: make([]int32, n+1), loop: make([]float64, n)}
	both := make([]link, 0, 2*len(links))
	for _, l := range links {
		if l.a == l.b {
			g.loop[l.a] += 2 * l.weight
			continue
		}
		both = append(both, l, link{l.b, l.a, l.weight})
	}
	slices.SortFunc(both, func(x, y link) int {
		return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b), cmp.Compare(x.weight, y.weight))
	})
	for i, l := range both {
		if i > 0 && both[i-1].a == l.a && both[i-1].b == l.b {
			g.weight[len(g.weight)-1] += l.weight
			continue
		}
		g.to, g.weight = append(g.to, l.b), append(g.weight, l.weight)
		g.start[l.a+1]++
	}
	for i := range n {
		g.start[i+1] += g.start[i]
	}
	return g
}

func (g *weighted) nodes() int { return len(g.start) - 1 }

// strength is the total weight at node i, its inside counted twice.
func (g *weighted) strength(i int32) float64 {
	s := g.loop[i]
	for e := g.start[i]; e < g.start[i+1]; e++ {
		s += g.weight[e]
	}
	return s
}

// Modules partitions g by the two-level map equation: the partition under which a
// random walk is described in the fewest bits,
//
//	L = plogp(Σq) - 2·Σplogp(q_m) + Σplogp(q_m + p_m) - Σplogp(p_i)
//
// with p_i a node's share of the weight and q_m the share that leaves module m
// (Rosvall, Axelsson and Bergstrom, "The map equation", Eur. Phys. J. Special
// Topics 178, 2009, doi:10.1140/epjst/e2010-01179-1). It is minimised as Louvain
// does: move nodes to the best neighbouring module, contract, repeat; then once
// more from single nodes within the result. Unlike modularity it has no scale
// built in that grows with the whole network.
func modules(g *weighted) ([]int32, int) {
	n := g.nodes()
	of := make([]int32, n)
	for i := range of {
		of[i] = int32(i)
	}
	level, count := g, n
	flow, total := level.shares()
	if total == 0 {
		return of, n
	}
	for {
		part, k := moveNodes(level, flow, total)
		if k == count {
			return of, count
		}
		for i := range of {
			of[i] = part[of[i]]
		}
		level, flow = level.contract(part, k, flow)
		count = k
	}
}

// shares returns each node's strength and the sum, which is twice the weight.
func (g *weighted) shares() ([]float64, float64) {
	f, total := make([]float64, g.nodes()), 0.0
	for i := range f {
		f[i] = g.strength(int32(i))
		total += f[i]
	}
	return f, total
}

// moveNodes is one level: every node goes to the neighbouring module that shortens
// the code most, over and over until none moves.
func moveNodes(g *weighted, strength []float64, total float64) ([]int32, int) {
	n := g.nodes()
	s := newModuleState(g, strength, total)
	for sweep := 0; sweep < 20; sweep++ {
		moved := 0
		for i := range n {
			if s.improve(int32(i)) {
				moved++
			}
		}
		if moved == 0 {
			break
		}
	}
	return renumber(s.of)
}

func renumber(of []int32) ([]int32, int) {
	id := make([]int32, len(of))
	for i := range id {
		id[i] = -1
	}
	out, n := make([]int32, len(of)), int32(0)
	for i, m := range of {
		if id[m] < 0 {
			id[m] = n
			n++
		}
		out[i] = id[m]
	}
	return out, int(n)
}

// moduleState keeps what the map equation needs per module.
type moduleState struct {
	g        *weighted
	of       []int32
	strength []float64 // per node, as a share of the whole
	flow     []float64 // per module, p_m
	exit     []float64 // per module, q_m
	exits    float64   // Σq
	scale    float64   // 1/total
	between  []float64 // scratch: weight from the node to each module
	touched  []int32
}

func newModuleState(g *weighted, strength []float64, total float64) *moduleState {
	n := g.nodes()
	s := &moduleState{g: g, of: make([]int32, n), strength: make([]float64, n), flow: make([]float64, n),
		exit: make([]float64, n), between: make([]float64, n), scale: 1 / total}
	for i := range n {
		s.of[i] = int32(i)
		s.strength[i] = strength[i] * s.scale
		s.flow[i] = s.strength[i]
		s.exit[i] = s.outward(int32(i))
		s.exits += s.exit[i]
	}
	return s
}

// outward is the share of weight on node i's links to other nodes.
func (s *moduleState) outward(i int32) float64 {
	return s.strength[i] - s.g.loop[i]*s.scale
}

// improve moves node i to its best module and reports whether that is another.
func (s *moduleState) improve(i int32) bool {
	for _, m := range s.touched {
		s.between[m] = 0
	}
	s.touched = s.touched[:0]
	for e := s.g.start[i]; e < s.g.start[i+1]; e++ {
		m := s.of[s.g.to[e]]
		if s.between[m] == 0 {
			s.touched = append(s.touched, m)
		}
		s.between[m] += s.g.weight[e] * s.scale
	}
	old, out := s.of[i], s.outward(i)
	best, bestGain := old, -1e-12
	for _, m := range s.touched {
		if m == old {
			continue
		}
		if gain := s.change(i, old, m, out); gain < bestGain || (gain == bestGain && m < best) {
			best, bestGain = m, gain
		}
	}
	if best == old {
		return false
	}
	s.move(i, old, best, out)
	return true
}

// change is the difference in code length when i goes from old to m.
func (s *moduleState) change(i, old, m int32, out float64) float64 {
	qo, qm := s.exit[old], s.exit[m]
	qo2 := qo - out + 2*s.between[old]
	qm2 := qm + out - 2*s.between[m]
	po, pm, p := s.flow[old], s.flow[m], s.strength[i]
	return plogp(s.exits-qo-qm+qo2+qm2) - plogp(s.exits) -
		2*(plogp(qo2)+plogp(qm2)-plogp(qo)-plogp(qm)) +
		plogp(qo2+po-p) + plogp(qm2+pm+p) - plogp(qo+po) - plogp(qm+pm)
}

func (s *moduleState) move(i, old, m int32, out float64) {
	qo2 := max(s.exit[old]-out+2*s.between[old], 0)
	qm2 := max(s.exit[m]+out-2*s.between[m], 0)
	s.exits += qo2 + qm2 - s.exit[old] - s.exit[m]
	s.exit[old], s.exit[m] = qo2, qm2
	s.flow[old] -= s.strength[i]
	s.flow[m] += s.strength[i]
	s.of[i] = m
}

func plogp(p float64) float64 {
	if p <= 0 {
		return 0
	}
	return p * math.Log2(p)
}

// contract makes the graph whose nodes are the parts.
func (g *weighted) contract(part []int32, k int, strength []float64) (*weighted, []float64) {
	links := make([]link, 0, len(g.to)/2)
	loop := make([]float64, k)
	sum := make([]float64, k)
	for i := range g.nodes() {
		loop[part[i]] += g.loop[i]
		sum[part[i]] += strength[i]
		for e := g.start[i]; e < g.start[i+1]; e++ {
			a, b := part[i], part[g.to[e]]
			switch {
			case a == b:
				loop[a] += g.weight[e]
			case a < b:
				links = append(links, link{a, b, g.weight[e]})
			}
		}
	}
	c := newWeighted(k, links)
	c.loop = loop
	return c, sum
}
