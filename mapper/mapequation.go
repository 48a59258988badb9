package mapper

import "math"

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

// newWeighted builds the graph of n nodes; links of the same pair are summed. It
// sorts by counting, twice, so that building is linear in links.
func newWeighted(n int, links []link) *weighted {
	g := &weighted{start: make([]int32, n+1), loop: make([]float64, n)}
	byEnd, bounds := make([]int32, 2*len(links)), make([]int32, n+1)
	for _, l := range links {
		if l.a == l.b {
			g.loop[l.a] += 2 * l.weight
			continue
		}
		bounds[l.a+1]++
		bounds[l.b+1]++
	}
	for i := range n {
		bounds[i+1] += bounds[i]
	}
	// Half-edge 2k leads from links[k].a to b, 2k+1 back. First by their far end,
	// then, stably, by their near end.
	total := bounds[n]
	scatter(byEnd, bounds, links, func(h int32) int32 { return farEnd(links, h) }, nil)
	half := make([]int32, total)
	scatter(half, bounds, links, func(h int32) int32 { return farEnd(links, h^1) }, byEnd[:total])
	g.to, g.weight = make([]int32, 0, total), make([]float64, 0, total)
	for i := range n {
		first := len(g.to)
		for _, h := range half[bounds[i]:bounds[i+1]] {
			to, w := farEnd(links, h), links[h>>1].weight
			if k := len(g.to); k > first && g.to[k-1] == to {
				g.weight[k-1] += w
				continue
			}
			g.to, g.weight = append(g.to, to), append(g.weight, w)
		}
		g.start[i+1] = int32(len(g.to))
	}
	return g
}

func farEnd(links []link, half int32) int32 {
	if half&1 == 0 {
		return links[half>>1].b
	}
	return links[half>>1].a
}

// scatter is one pass of a counting sort of half-edges by key into out; from is
// the order to go through them, nil for their own.
func scatter(out, bounds []int32, links []link, key func(int32) int32, from []int32) {
	next := append([]int32(nil), bounds...)
	put := func(h int32) {
		k := key(h)
		out[next[k]] = h
		next[k]++
	}
	if from != nil {
		for _, h := range from {
			put(h)
		}
		return
	}
	for k := range links {
		if links[k].a != links[k].b {
			put(int32(2 * k))
			put(int32(2*k + 1))
		}
	}
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
// random walk is described most briefly (here in nats),
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
// the code most; a node is looked at again only when a neighbour has moved away
// from it (the queue of Traag, Waltman and van Eck, Scientific Reports 9, 2019,
// doi:10.1038/s41598-019-41695-z).
func moveNodes(g *weighted, strength []float64, total float64) ([]int32, int) {
	n := g.nodes()
	s := newModuleState(g, strength, total)
	queue, waiting := make([]int32, n), make([]bool, n)
	for i := range queue {
		queue[i], waiting[i] = int32(i), true
	}
	// At most maxLooks per node: the code gets shorter with every move, but by
	// ever less.
	for looks, head, size := 0, 0, n; size > 0 && looks < maxLooks*n; looks++ {
		i := queue[head]
		head, size, waiting[i] = (head+1)%n, size-1, false
		if !s.improve(i) {
			continue
		}
		for _, j := range g.to[g.start[i]:g.start[i+1]] {
			if !waiting[j] && s.of[j] != s.of[i] {
				queue[(head+size)%n] = j
				size, waiting[j] = size+1, true
			}
		}
	}
	return renumber(s.of)
}

const maxLooks = 50

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
	logExits float64   // plogp(Σq)
	logExit  []float64 // per module, plogp(q_m)
	logBoth  []float64 // per module, plogp(q_m + p_m)
	scale    float64   // 1/total
	between  []float64 // scratch: weight from the node to each module
	touched  []int32
}

func newModuleState(g *weighted, strength []float64, total float64) *moduleState {
	n := g.nodes()
	s := &moduleState{g: g, of: make([]int32, n), strength: make([]float64, n), flow: make([]float64, n),
		exit: make([]float64, n), logExit: make([]float64, n), logBoth: make([]float64, n), between: make([]float64, n), scale: 1 / total}
	for i := range n {
		s.of[i] = int32(i)
		s.strength[i] = strength[i] * s.scale
		s.flow[i] = s.strength[i]
		s.exit[i] = s.outward(int32(i))
		s.exits += s.exit[i]
		s.remember(int32(i))
	}
	s.logExits = plogp(s.exits)
	return s
}

func (s *moduleState) remember(m int32) {
	s.logExit[m], s.logBoth[m] = plogp(s.exit[m]), plogp(s.exit[m]+s.flow[m])
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
	leaving := s.leave(i, old, out)
	best, bestGain := old, -1e-12
	for _, m := range s.touched {
		if m == old {
			continue
		}
		if gain := s.join(i, old, m, out, leaving); gain < bestGain || (gain == bestGain && m < best) {
			best, bestGain = m, gain
		}
	}
	if best == old {
		return false
	}
	s.move(i, old, best, out)
	return true
}

// leave is the part of the change of code length that lies with the module left.
func (s *moduleState) leave(i, old int32, out float64) float64 {
	q := s.exit[old] - out + 2*s.between[old]
	return plogp(q+s.flow[old]-s.strength[i]) - s.logBoth[old] - 2*(plogp(q)-s.logExit[old])
}

// join is the change of code length when i goes from old to m; leaving is what
// leave says.
func (s *moduleState) join(i, old, m int32, out, leaving float64) float64 {
	d := 2 * (s.between[old] - s.between[m]) // change of Σq: out cancels out
	q := s.exit[m] + out - 2*s.between[m]
	return plogp(s.exits+d) - s.logExits + leaving +
		plogp(q+s.flow[m]+s.strength[i]) - s.logBoth[m] - 2*(plogp(q)-s.logExit[m])
}

func (s *moduleState) move(i, old, m int32, out float64) {
	qo2 := max(s.exit[old]-out+2*s.between[old], 0)
	qm2 := max(s.exit[m]+out-2*s.between[m], 0)
	s.exits += qo2 + qm2 - s.exit[old] - s.exit[m]
	s.exit[old], s.exit[m] = qo2, qm2
	s.flow[old] -= s.strength[i]
	s.flow[m] += s.strength[i]
	s.of[i] = m
	s.remember(old)
	s.remember(m)
	s.logExits = plogp(s.exits)
}

func plogp(p float64) float64 {
	if p <= 0 {
		return 0
	}
	return p * math.Log(p)
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
