package mapper

import (
	"slices"

	"github.com/bulkhead/bulkhead/topology"
)

// Neighbourhood returns the nodes within hops of node, itself included, following
// dependencies both ways, sorted; at most limit of them (0: no limit), nearest
// first. Infrastructure is reached but not passed through: otherwise everything
// is two hops from everything.
func Neighbourhood(m *topology.Map, node int32, hops, limit int) []int32 {
	shared := sharedNodes(m)
	seen := map[int32]bool{node: true}
	out := []int32{node}
	adj := newAdjacency(len(m.Graph.Nodes), m.Graph.Deps)
	for at, end := 0, 1; hops > 0 && at < end; hops-- {
		for ; at < end; at++ {
			if shared[out[at]] && out[at] != node {
				continue
			}
			for _, n := range adj.neighbours(out[at], m.Graph.Deps) {
				if limit > 0 && len(out) >= limit {
					slices.Sort(out)
					return out
				}
				if !seen[n] {
					seen[n] = true
					out = append(out, n)
				}
			}
		}
		end = len(out)
	}
	slices.Sort(out)
	return out
}

func sharedNodes(m *topology.Map) map[int32]bool {
	shared := map[int32]bool{}
	for _, f := range m.Infrastructure {
		shared[f.Node] = true
	}
	return shared
}

// neighbours lists the other ends of node i's dependencies, sorted and distinct.
func (a *adjacency) neighbours(i int32, deps []topology.Dependency) []int32 {
	var out []int32
	from, to := a.uses(i)
	for d := from; d < to; d++ {
		out = append(out, deps[d].Server)
	}
	for _, d := range a.serves(i) {
		out = append(out, deps[d].Client)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Path returns indexes into Graph.Deps of a shortest chain of dependencies by
// which from reaches to, client to server at every step, and whether there is
// one. Of several the one through the lowest node indexes is returned. A chain of
// dependencies is how far somebody who took over from can go in today's traffic.
func Path(m *topology.Map, from, to int32) ([]int32, bool) {
	if from == to {
		return nil, true
	}
	adj := newAdjacency(len(m.Graph.Nodes), m.Graph.Deps)
	via := make([]int32, len(m.Graph.Nodes)) // dependency by which a node was reached, +1
	queue := []int32{from}
	for at := 0; at < len(queue); at++ {
		a, b := adj.uses(queue[at])
		for d := a; d < b; d++ {
			s := m.Graph.Deps[d].Server
			if s == from || via[s] != 0 {
				continue
			}
			via[s] = d + 1
			if s == to {
				return trace(m, via, from, to), true
			}
			queue = append(queue, s)
		}
	}
	return nil, false
}

func trace(m *topology.Map, via []int32, from, to int32) []int32 {
	var out []int32
	for n := to; n != from; {
		d := via[n] - 1
		out = append(out, d)
		n = m.Graph.Deps[d].Client
	}
	slices.Reverse(out)
	return out
}
