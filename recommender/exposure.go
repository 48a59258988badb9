package recommender

import (
	"math/bits"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Exposure measures the blast radius of every workload at once, over the
// dependencies seen and, with a set taken as enforced, allowed; nil means today.
// Exact: strongly connected workloads reach the same, and the graph of components
// is walked once per 4096 of them with one bit each. Traffic that leaves the
// estate does not come back in.
func Exposure(m *topology.Map, set *policy.Set) *policy.Exposure {
	next := insideSteps(m, set)
	comp, count := components(next)
	out := &policy.Exposure{Reach: make([]int32, len(m.Graph.Nodes))}
	c := newCondensed(m, next, comp, count)
	reach := c.reach()
	total := 0
	for i := range m.Graph.Nodes {
		if !m.Graph.Nodes[i].Inside() {
			continue
		}
		out.Inside++
		out.Reach[i] = reach[comp[i]] - 1 // itself
		total += int(out.Reach[i])
		if others := float64(out.Reach[i]); out.WorstNode == "" || others > out.Worst {
			out.Worst, out.WorstNode = others, m.Graph.Nodes[i].ID
		}
	}
	if out.Inside > 1 {
		out.Mean = float64(total) / float64(out.Inside) / float64(out.Inside-1)
		out.Worst /= float64(out.Inside - 1)
	}
	return out
}

// Contribution is how much of the mean exposure under set is due to one rule: what
// taking the rule away would close.
func Contribution(m *topology.Map, set *policy.Set, policyName, rule string) float64 {
	without := set.AtStage(policy.Enforce)
	for i := range without.Policies {
		p := &without.Policies[i]
		if p.Name != policyName {
			continue
		}
		kept := make([]policy.Rule, 0, len(p.Rules))
		for _, r := range p.Rules {
			if r.Name != rule {
				kept = append(kept, r)
			}
		}
		p.Rules = kept
	}
	return Exposure(m, set).Mean - Exposure(m, without).Mean
}

// insideSteps is steps with one entry per pair of inside nodes: row i lists the
// nodes i can use.
func insideSteps(m *topology.Map, set *policy.Set) edges {
	all := steps(m, set)
	out := edges{start: make([]int32, len(m.Graph.Nodes)+1)}
	for i := range m.Graph.Nodes {
		last := int32(-1)
		for _, d := range all.of(int32(i)) {
			to := m.Graph.Deps[d].Server
			if to != last && m.Graph.Nodes[i].Inside() && m.Graph.Nodes[to].Inside() { // sorted by server within a row
				out.deps = append(out.deps, to)
				last = to
			}
		}
		out.start[i+1] = int32(len(out.deps))
	}
	return out
}

// components numbers the strongly connected components so that an edge never
// leads to a higher number (R. Tarjan, "Depth-first search and linear graph
// algorithms", SIAM J. Comput. 1, 1972, doi:10.1137/0201010), without recursion.
func components(next edges) (comp []int32, count int32) {
	n := len(next.start) - 1
	comp = make([]int32, n)
	index, low := make([]int32, n), make([]int32, n) // 0: not visited
	at := make([]int32, n)                           // next edge to follow
	var path, open []int32
	visited := int32(0)
	for root := range n {
		if index[root] != 0 {
			continue
		}
		path = append(path, int32(root))
		for len(path) > 0 {
			v := path[len(path)-1]
			if index[v] == 0 {
				visited++
				index[v], low[v] = visited, visited
				comp[v] = -1
				open = append(open, v)
			}
			row := next.of(v)
			descended := false
			for at[v] < int32(len(row)) {
				w := row[at[v]]
				if index[w] == 0 {
					path = append(path, w)
					descended = true
					break
				}
				if comp[w] < 0 {
					low[v] = min(low[v], low[w])
				}
				at[v]++
			}
			if descended {
				continue
			}
			path = path[:len(path)-1]
			if low[v] != index[v] {
				continue
			}
			for {
				w := open[len(open)-1]
				open = open[:len(open)-1]
				comp[w] = count
				if w == v {
					break
				}
			}
			count++
		}
	}
	return comp, count
}

// condensed is the acyclic graph of components; edges lead to lower numbers.
type condensed struct {
	next   edges
	weight []int32 // inside nodes in each
}

func newCondensed(m *topology.Map, next edges, comp []int32, count int32) *condensed {
	c := &condensed{weight: make([]int32, count)}
	members := make([][]int32, count)
	for i := range comp {
		if m.Graph.Nodes[i].Inside() {
			c.weight[comp[i]]++
		}
		members[comp[i]] = append(members[comp[i]], int32(i))
	}
	c.next.start = make([]int32, count+1)
	seen := make([]int32, count) // component+1 that listed it last
	for k := range count {
		for _, v := range members[k] {
			for _, w := range next.of(v) {
				if to := comp[w]; to != k && seen[to] != k+1 {
					seen[to] = k + 1
					c.next.deps = append(c.next.deps, to)
				}
			}
		}
		c.next.start[k+1] = int32(len(c.next.deps))
	}
	return c
}

// blockWords is how many components are followed at once, in 64s: 4096 take 512
// bytes per component.
const blockWords = 64

// reach counts the inside nodes in everything each component leads to, itself
// included.
func (c *condensed) reach() []int32 {
	n := int32(len(c.weight))
	out := make([]int32, n)
	rows := make([][blockWords]uint64, n)
	for first := int32(0); first < n; first += blockWords * 64 {
		last := min(n, first+blockWords*64)
		plain := true // every component of the block is one workload
		for k := first; k < last; k++ {
			plain = plain && c.weight[k] == 1
		}
		for k := first; k < n; k++ { // lower numbers lead nowhere into the block
			row := &rows[k]
			*row = [blockWords]uint64{}
			if k < last {
				row[(k-first)/64] |= 1 << ((k - first) % 64)
			}
			for _, to := range c.next.of(k) {
				if to < first {
					continue
				}
				for w, word := range rows[to] {
					row[w] |= word
				}
			}
			out[k] += c.sum(row, first, plain)
		}
	}
	return out
}

func (c *condensed) sum(row *[blockWords]uint64, first int32, plain bool) (n int32) {
	for w, word := range row {
		if plain {
			n += int32(bits.OnesCount64(word))
			continue
		}
		for ; word != 0; word &= word - 1 {
			n += c.weight[first+int32(w)*64+int32(bits.TrailingZeros64(word))]
		}
	}
	return n
}
