// Package baseline groups a dependency graph the way one would without this
// product: connected components, and Louvain's modularity at resolution 1 as
// gonum has it. The mapper is measured beside them; nothing else uses them.
package baseline

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/graph/community"
	"gonum.org/v1/gonum/graph/simple"
	"gonum.org/v1/gonum/graph/topo"

	"github.com/bulkhead/bulkhead/topology"
)

// Louvain partitions the inside nodes of g by modularity at resolution 1, one
// undirected edge of weight 1 per pair that speaks (Blondel et al., J. Stat.
// Mech. 2008, doi:10.1088/1742-5468/2008/10/P10008). Outside nodes get -1.
func Louvain(g *topology.Graph, seed uint64) []int32 {
	u := undirected(g)
	return number(g, community.Modularize(u, 1, rand.NewPCG(seed, seed)).Communities())
}

// Components partitions the inside nodes of g by who can reach whom at all.
func Components(g *topology.Graph) []int32 {
	return number(g, topo.ConnectedComponents(undirected(g)))
}

func undirected(g *topology.Graph) *simple.UndirectedGraph {
	u := simple.NewUndirectedGraph()
	for i := range g.Nodes {
		if g.Nodes[i].Inside() {
			u.AddNode(simple.Node(i))
		}
	}
	for _, d := range g.Deps {
		if g.Nodes[d.Client].Inside() && g.Nodes[d.Server].Inside() {
			u.SetEdge(simple.Edge{F: simple.Node(d.Client), T: simple.Node(d.Server)})
		}
	}
	return u
}

func number[N interface{ ID() int64 }](g *topology.Graph, groups [][]N) []int32 {
	of := make([]int32, len(g.Nodes))
	for i := range of {
		of[i] = -1
	}
	for k, members := range groups {
		for _, m := range members {
			of[m.ID()] = int32(k)
		}
	}
	return of
}
