package layout

import (
	"cmp"
	"math"
	"slices"
)

// Rect is a placed box: its size is given, its corner is set.
type Rect struct {
	X, Y, W, H float64
}

// Edge points from a client to a server, both indexes of boxes.
type Edge struct {
	From, To int
	Weight   float64 // > 0
}

// Spacing of a layered arrangement, in pixels.
type Spacing struct {
	Column float64 // between layers, where the links run
	Row    float64 // between boxes of one layer
}

// Layered places boxes in columns so that most edges point right, and returns the
// width and height used. Boxes without edges go below the others.
func Layered(boxes []Rect, edges []Edge, sp Spacing) (w, h float64) {
	edges = clean(edges)
	linked, loose := split(len(boxes), edges)
	if len(linked) > 0 {
		w, h = columns(boxes, linked, edges, sp)
	}
	if len(loose) > 0 {
		top := 0.0
		if len(linked) > 0 {
			top = h + sp.Row*1.5
		}
		gw, gh := grid(boxes, loose, max(w, gridWidth(boxes, loose)), sp.Row*0.8, 0, top)
		w, h = max(w, gw), top+gh
	}
	return w, h
}

// clean drops loops and adds up parallel edges.
func clean(edges []Edge) []Edge {
	sum := map[[2]int]float64{}
	for _, e := range edges {
		if e.From != e.To {
			sum[[2]int{e.From, e.To}] += e.Weight
		}
	}
	out := make([]Edge, 0, len(sum))
	for k, w := range sum {
		out = append(out, Edge{k[0], k[1], w})
	}
	slices.SortFunc(out, func(a, b Edge) int { return cmp.Or(a.From-b.From, a.To-b.To) })
	return out
}

// split separates boxes that have an edge from those that have none.
func split(n int, edges []Edge) (linked, loose []int) {
	has := make([]bool, n)
	for _, e := range edges {
		has[e.From], has[e.To] = true, true
	}
	for i := range n {
		if has[i] {
			linked = append(linked, i)
		} else {
			loose = append(loose, i)
		}
	}
	return linked, loose
}

// columns does the layered arrangement proper.
func columns(boxes []Rect, linked []int, edges []Edge, sp Spacing) (w, h float64) {
	layers := assign(len(boxes), linked, edges)
	layers = breakTall(boxes, layers, sp)
	order(layers, len(boxes), edges)
	h = stack(boxes, layers, edges, sp)
	x := 0.0
	for _, layer := range layers {
		width := 0.0
		for _, b := range layer {
			width = max(width, boxes[b].W)
		}
		for _, b := range layer {
			boxes[b].X = x + (width-boxes[b].W)/2
		}
		x += width + sp.Column
	}
	return x - sp.Column, h
}

// assign gives each linked box a layer by longest path over the acyclic edges,
// then pulls sources right next to what they use.
func assign(n int, linked []int, edges []Edge) [][]int {
	rank := sequence(n, linked, edges)
	succ, pred := make([][]int, n), make([][]int, n)
	for _, e := range edges {
		a, b := e.From, e.To
		if rank[a] > rank[b] { // a back edge: reversed for layering only
			a, b = b, a
		}
		succ[a], pred[b] = append(succ[a], b), append(pred[b], a)
	}
	inOrder := slices.Clone(linked)
	slices.SortFunc(inOrder, func(a, b int) int { return rank[a] - rank[b] })
	layer, depth := make([]int, n), 0
	for _, v := range inOrder {
		for _, p := range pred[v] {
			layer[v] = max(layer[v], layer[p]+1)
		}
		depth = max(depth, layer[v])
	}
	for _, v := range slices.Backward(inOrder) {
		if len(succ[v]) == 0 {
			continue
		}
		nearest := depth
		for _, s := range succ[v] {
			nearest = min(nearest, layer[s]-1)
		}
		if len(pred[v]) == 0 {
			layer[v] = nearest
		}
	}
	layers := make([][]int, depth+1)
	for _, v := range linked {
		layers[layer[v]] = append(layers[layer[v]], v)
	}
	return slices.DeleteFunc(layers, func(l []int) bool { return len(l) == 0 })
}

// sequence orders boxes so that little weight points backwards: the greedy
// heuristic of Eades, Lin, Smyth, "A fast and effective heuristic for the feedback
// arc set problem", IPL 47, 1993.
func sequence(n int, linked []int, edges []Edge) []int {
	out, in := make([]float64, n), make([]float64, n)
	adj := make([][]Edge, n)
	for _, e := range edges {
		out[e.From] += e.Weight
		in[e.To] += e.Weight
		adj[e.From], adj[e.To] = append(adj[e.From], e), append(adj[e.To], e)
	}
	gone := make([]bool, n)
	rank := make([]int, n)
	left, right := 0, len(linked)-1
	remove := func(v int) {
		gone[v] = true
		for _, e := range adj[v] {
			if e.From == v {
				in[e.To] -= e.Weight
			} else {
				out[e.From] -= e.Weight
			}
		}
	}
	const none = 1e-9 // sums of floats do not return to exactly 0
	for left <= right {
		best, kind := -1, 0
		for _, v := range linked {
			switch {
			case gone[v]:
			case out[v] < none && kind < 2:
				best, kind = v, 2
			case in[v] < none && kind < 1:
				best, kind = v, 1
			case kind == 0 && (best < 0 || out[v]-in[v] > out[best]-in[best]):
				best = v
			}
		}
		if kind == 2 {
			rank[best] = right
			right--
		} else {
			rank[best] = left
			left++
		}
		remove(best)
	}
	return rank
}

// breakTall splits layers that would make the drawing much taller than wide into
// neighbouring ones.
func breakTall(boxes []Rect, layers [][]int, sp Spacing) [][]int {
	area := 0.0
	for _, l := range layers {
		for _, b := range l {
			area += (boxes[b].W + sp.Column*0.6) * (boxes[b].H + sp.Row)
		}
	}
	limit := max(math.Sqrt(area)*0.85, 560)
	var out [][]int
	for _, l := range layers {
		total := 0.0
		for _, b := range l {
			total += boxes[b].H + sp.Row
		}
		pieces := max(1, min(int(math.Ceil(total/limit)), len(l)))
		for i := range pieces {
			out = append(out, l[i*len(l)/pieces:(i+1)*len(l)/pieces])
		}
	}
	return out
}
