package layout

import "math"

// Grid places boxes in rows of about the given width, in order, and returns the
// width and height used.
func Grid(boxes []Rect, width, gap float64) (w, h float64) {
	all := make([]int, len(boxes))
	for i := range all {
		all[i] = i
	}
	return grid(boxes, all, width, gap, 0, 0)
}

// Square is the width at which a grid of the boxes is about ratio times as wide
// as high.
func Square(boxes []Rect, gap, ratio float64) float64 {
	area, widest := 0.0, 0.0
	for _, b := range boxes {
		area += (b.W + gap) * (b.H + gap)
		widest = max(widest, b.W)
	}
	return max(widest, math.Sqrt(area*ratio))
}

// grid fills rows from the left; each row is as high as its highest box.
func grid(boxes []Rect, which []int, width, gap, left, top float64) (w, h float64) {
	x, y, row := 0.0, 0.0, 0.0
	for _, b := range which {
		if x > 0 && x+boxes[b].W > width+0.5 {
			x, y, row = 0, y+row+gap, 0
		}
		boxes[b].X, boxes[b].Y = left+x, top+y
		w, row = max(w, x+boxes[b].W), max(row, boxes[b].H)
		x += boxes[b].W + gap
	}
	return w, y + row
}

// gridWidth is how wide a grid of some of the boxes is when nothing else sets
// the width: about three times as wide as high.
func gridWidth(boxes []Rect, which []int) float64 {
	some := make([]Rect, len(which))
	for i, b := range which {
		some[i] = boxes[b]
	}
	return Square(some, 20, 3)
}
