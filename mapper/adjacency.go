package mapper

import "github.com/bulkhead/bulkhead/topology"

// adjacency is the dependency graph in compressed sparse rows: a node's
// dependencies as client are contiguous because Graph.Deps is sorted by client;
// those as server are listed by index.
type adjacency struct {
	out []int32 // node i uses deps[out[i]:out[i+1]]
	in  []int32 // node i serves deps[list[in[i]:in[i+1]]]
	lst []int32
}

func newAdjacency(n int, deps []topology.Dependency) adjacency {
	a := adjacency{out: make([]int32, n+1), in: make([]int32, n+1), lst: make([]int32, len(deps))}
	for i := range deps {
		a.out[deps[i].Client+1]++
		a.in[deps[i].Server+1]++
	}
	for i := range n {
		a.out[i+1] += a.out[i]
		a.in[i+1] += a.in[i]
	}
	next := append([]int32(nil), a.in[:n]...)
	for i := range deps {
		s := deps[i].Server
		a.lst[next[s]] = int32(i)
		next[s]++
	}
	return a
}

// uses returns the range of deps of which node i is the client.
func (a *adjacency) uses(i int32) (from, to int32) { return a.out[i], a.out[i+1] }

// serves returns the indexes of the deps of which node i is the server, ordered
// by client.
func (a *adjacency) serves(i int32) []int32 { return a.lst[a.in[i]:a.in[i+1]] }
