package layout

import (
	"cmp"
	"slices"
)

// sweeps is how often the layers are reordered; more changes nothing on graphs of
// a few hundred boxes.
const sweeps = 12

// order sorts each layer by the barycentre of its neighbours, sweeping both ways,
// and keeps the arrangement with the fewest weighted crossings.
func order(layers [][]int, n int, edges []Edge) {
	near := make([][]Edge, n) // Edge.To is the neighbour
	for _, e := range edges {
		near[e.From] = append(near[e.From], Edge{e.From, e.To, e.Weight})
		near[e.To] = append(near[e.To], Edge{e.To, e.From, e.Weight})
	}
	pos := make([]float64, n)
	layerOf := make([]int, n)
	for l := range layers {
		for i, b := range layers[l] {
			layerOf[b] = l
			pos[b] = float64(i) / float64(len(layers[l]))
		}
	}
	best, bestCost := copyLayers(layers), crossings(edges, pos, layerOf)
	for s := range sweeps {
		for i := range layers {
			l := i
			if s%2 == 1 {
				l = len(layers) - 1 - i
			}
			sortLayer(layers[l], l, s%2 == 0, near, pos, layerOf)
		}
		if cost := crossings(edges, pos, layerOf); cost < bestCost {
			best, bestCost = copyLayers(layers), cost
		}
	}
	for l := range layers {
		copy(layers[l], best[l])
	}
}

// sortLayer sorts one layer by the mean position of neighbours on the side the
// sweep comes from, or on both when there are none there.
func sortLayer(layer []int, l int, fromLeft bool, near [][]Edge, pos []float64, layerOf []int) {
	want := make(map[int]float64, len(layer))
	for _, b := range layer {
		var sum, weight float64
		for _, pass := range []bool{true, false} {
			for _, e := range near[b] {
				side := layerOf[e.To] < l
				if layerOf[e.To] != l && (!pass || side == fromLeft) {
					sum += pos[e.To] * e.Weight
					weight += e.Weight
				}
			}
			if weight > 0 {
				break
			}
		}
		want[b] = pos[b]
		if weight > 0 {
			want[b] = sum / weight
		}
	}
	slices.SortStableFunc(layer, func(a, b int) int { return cmp.Compare(want[a], want[b]) })
	for i, b := range layer {
		pos[b] = (float64(i) + 0.5) / float64(len(layer))
	}
}

// crossings estimates what a reader sees: the weighted number of edge pairs that
// cross, for edges between the same two layers.
func crossings(edges []Edge, pos []float64, layerOf []int) float64 {
	if len(edges) > 1200 {
		edges = edges[:1200] // quadratic; beyond this the sweeps alone decide
	}
	cost := 0.0
	for i, a := range edges {
		for _, b := range edges[:i] {
			if layerOf[a.From] == layerOf[b.From] && layerOf[a.To] == layerOf[b.To] &&
				(pos[a.From]-pos[b.From])*(pos[a.To]-pos[b.To]) < 0 {
				cost += min(a.Weight, b.Weight)
			}
		}
	}
	return cost
}

func copyLayers(layers [][]int) [][]int {
	out := make([][]int, len(layers))
	for i := range layers {
		out[i] = slices.Clone(layers[i])
	}
	return out
}

// stack sets Y: boxes keep their order and distance, and come as near as that
// allows to the middle of what they are linked with. It returns the height.
func stack(boxes []Rect, layers [][]int, edges []Edge, sp Spacing) float64 {
	near := make([][]Edge, len(boxes))
	for _, e := range edges {
		near[e.From] = append(near[e.From], e)
		near[e.To] = append(near[e.To], Edge{e.To, e.From, e.Weight})
	}
	for _, l := range layers {
		total := -sp.Row
		for _, b := range l {
			total += boxes[b].H + sp.Row
		}
		y := -total / 2
		for _, b := range l {
			boxes[b].Y = y
			y += boxes[b].H + sp.Row
		}
	}
	for s := range sweeps {
		for i := range layers {
			l := layers[i]
			if s%2 == 1 {
				l = layers[len(layers)-1-i]
			}
			settle(boxes, l, near, sp.Row)
		}
	}
	top, bottom := boxes[layers[0][0]].Y, 0.0
	for _, l := range layers {
		top = min(top, boxes[l[0]].Y)
	}
	for _, l := range layers {
		for _, b := range l {
			boxes[b].Y -= top
			bottom = max(bottom, boxes[b].Y+boxes[b].H)
		}
	}
	return bottom
}

// settle moves one layer's boxes towards their neighbours: least squares under
// order and distance, solved by pooling adjacent violators (Ayer et al., Ann.
// Math. Stat. 26, 1955).
func settle(boxes []Rect, layer []int, near [][]Edge, gap float64) {
	type pool struct{ sum, weight float64 }
	var pools []pool
	var sizes []int
	offset := make([]float64, len(layer)) // of each box when all stand close
	for i := 1; i < len(layer); i++ {
		offset[i] = offset[i-1] + boxes[layer[i-1]].H + gap
	}
	for i, b := range layer {
		// The layer holds a box where it is with a little weight of its own.
		sum, weight := (boxes[b].Y-offset[i])*0.2, 0.2
		for _, e := range near[b] {
			o := boxes[e.To]
			sum += (o.Y + o.H/2 - boxes[b].H/2 - offset[i]) * e.Weight
			weight += e.Weight
		}
		pools, sizes = append(pools, pool{sum, weight}), append(sizes, 1)
		for n := len(pools); n > 1 && pools[n-2].sum/pools[n-2].weight > pools[n-1].sum/pools[n-1].weight; n-- {
			pools[n-2] = pool{pools[n-2].sum + pools[n-1].sum, pools[n-2].weight + pools[n-1].weight}
			sizes[n-2] += sizes[n-1]
			pools, sizes = pools[:n-1], sizes[:n-1]
		}
	}
	i := 0
	for p, size := range sizes {
		for range size {
			boxes[layer[i]].Y = pools[p].sum/pools[p].weight + offset[i]
			i++
		}
	}
}
