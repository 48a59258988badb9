package view

import (
	"sync"

	"github.com/bulkhead/bulkhead/topology"
)

// Index is a map with the look-ups that every view of it needs. It is safe
// for concurrent use and what it answers never changes.
type Index struct {
	Map *topology.Map

	byID     map[string]int32
	finding  []int32 // per node: index into Map.Infrastructure, -1 for none
	outStart []int32 // deps of client n: Map.Graph.Deps[outStart[n]:outStart[n+1]]
	inStart  []int32 // deps of server n: inDeps[inStart[n]:inStart[n+1]]
	inDeps   []int32
	proposed []int32 // per node: first of its proposals in byNode
	byNode   []int32 // proposal indexes, sorted by node

	mu      sync.Mutex
	parties *parties                     // filled when asked for
	alike   map[string]map[string]*alike // by label keys, then group id; filled when asked for
}

// NewIndex builds the index of m, which must not change afterwards. It relies on
// Graph.Deps being sorted by client, as topology.Graph promises.
func NewIndex(m *topology.Map) *Index {
	n := len(m.Graph.Nodes)
	x := &Index{Map: m, byID: make(map[string]int32, n), finding: make([]int32, n)}
	for i := range m.Graph.Nodes {
		x.byID[m.Graph.Nodes[i].ID] = int32(i)
		x.finding[i] = -1
	}
	for i, f := range m.Infrastructure {
		if have := x.finding[f.Node]; have < 0 || f.Confidence > m.Infrastructure[have].Confidence {
			x.finding[f.Node] = int32(i)
		}
	}
	deps := m.Graph.Deps
	x.outStart = starts(n, len(deps), func(i int) int32 { return deps[i].Client })
	x.inStart = starts(n, len(deps), func(i int) int32 { return deps[i].Server })
	x.inDeps = fill(x.inStart, len(deps), func(i int) int32 { return deps[i].Server })
	x.proposed = starts(n, len(m.Proposals), func(i int) int32 { return m.Proposals[i].Node })
	x.byNode = fill(x.proposed, len(m.Proposals), func(i int) int32 { return m.Proposals[i].Node })
	return x
}

// starts counts items per key and returns the running sums: the items of key k
// take the places starts[k] to starts[k+1].
func starts(keys, items int, key func(int) int32) []int32 {
	s := make([]int32, keys+1)
	for i := range items {
		s[key(i)+1]++
	}
	for k := range keys {
		s[k+1] += s[k]
	}
	return s
}

// fill lists the items by key, in the places starts gave them.
func fill(starts []int32, items int, key func(int) int32) []int32 {
	next := append([]int32(nil), starts...)
	out := make([]int32, items)
	for i := range items {
		k := key(i)
		out[next[k]] = int32(i)
		next[k]++
	}
	return out
}

// Node returns the index of the node with that id.
func (x *Index) Node(id string) (int32, bool) {
	n, ok := x.byID[id]
	return n, ok
}

// out returns the dependencies of which n is the client.
func (x *Index) out(n int32) []topology.Dependency {
	return x.Map.Graph.Deps[x.outStart[n]:x.outStart[n+1]]
}

// in returns the indexes of the dependencies of which n is the server.
func (x *Index) in(n int32) []int32 { return x.inDeps[x.inStart[n]:x.inStart[n+1]] }

// proposals returns the indexes of n's proposals.
func (x *Index) proposals(n int32) []int32 { return x.byNode[x.proposed[n]:x.proposed[n+1]] }

// labels returns n's effective labels.
func (x *Index) labels(n int32) topology.Labels {
	if int(n) < len(x.Map.Labels) {
		return x.Map.Labels[n]
	}
	return x.Map.Graph.Nodes[n].Labels
}

// app returns n's application, -1 for none.
func (x *Index) app(n int32) int32 {
	if int(n) < len(x.Map.AppOf) {
		return x.Map.AppOf[n]
	}
	return -1
}

// role returns n's role, -1 for none.
func (x *Index) role(n int32) int32 {
	if int(n) < len(x.Map.RoleOf) {
		return x.Map.RoleOf[n]
	}
	return -1
}

// priority returns n's own priority.
func (x *Index) priority(n int32) topology.Priority {
	if int(n) < len(x.Map.Priorities) {
		return x.Map.Priorities[n]
	}
	return topology.PriorityLow
}
