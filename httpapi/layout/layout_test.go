package layout_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/httpapi/layout"
)

var spacing = layout.Spacing{Column: 50, Row: 10}

func boxes(n int) []layout.Rect {
	out := make([]layout.Rect, n)
	for i := range out {
		out[i] = layout.Rect{W: 100, H: 40}
	}
	return out
}

func TestChainRunsLeftToRight(t *testing.T) {
	b := boxes(4)
	layout.Layered(b, []layout.Edge{{From: 2, To: 1, Weight: 1}, {From: 1, To: 3, Weight: 1}, {From: 3, To: 0, Weight: 1}}, spacing)
	if !(b[2].X < b[1].X && b[1].X < b[3].X && b[3].X < b[0].X) {
		t.Errorf("a chain is not in order: %+v", b)
	}
	for _, r := range b {
		if r.Y != b[0].Y {
			t.Errorf("a chain is not straight: %+v", b)
		}
	}
}

func TestCycleBreaksAtItsWeakestEdge(t *testing.T) {
	b := boxes(3)
	layout.Layered(b, []layout.Edge{{From: 0, To: 1, Weight: 9}, {From: 1, To: 2, Weight: 9}, {From: 2, To: 0, Weight: 1}}, spacing)
	if !(b[0].X < b[1].X && b[1].X < b[2].X) {
		t.Errorf("the light edge should be the one that points back: %+v", b)
	}
}

func TestOrderAvoidsCrossings(t *testing.T) {
	b := boxes(4)
	layout.Layered(b, []layout.Edge{{From: 0, To: 3, Weight: 1}, {From: 1, To: 2, Weight: 1}}, spacing)
	if (b[0].Y < b[1].Y) != (b[3].Y < b[2].Y) {
		t.Errorf("two edges cross that need not: %+v", b)
	}
}

// Whatever the graph: nothing overlaps, everything lies within what is returned,
// and the same input gives the same places.
func TestLayeredProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "boxes")
		rects := make([]layout.Rect, n)
		for i := range rects {
			rects[i] = layout.Rect{W: rapid.Float64Range(20, 400).Draw(t, "w"), H: rapid.Float64Range(20, 300).Draw(t, "h")}
		}
		var edges []layout.Edge
		for range rapid.IntRange(0, 80).Draw(t, "edges") {
			edges = append(edges, layout.Edge{
				From: rapid.IntRange(0, n-1).Draw(t, "from"), To: rapid.IntRange(0, n-1).Draw(t, "to"), Weight: rapid.Float64Range(0.1, 10).Draw(t, "weight"),
			})
		}
		again := append([]layout.Rect(nil), rects...)
		w, h := layout.Layered(rects, edges, spacing)
		layout.Layered(again, edges, spacing)
		if diff := cmp.Diff(rects, again); diff != "" {
			t.Fatalf("not deterministic (-first +second):\n%s", diff)
		}
		checkPlaces(t, rects, w, h)
	})
}

func TestGridProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rects := boxes(rapid.IntRange(0, 60).Draw(t, "boxes"))
		w, h := layout.Grid(rects, rapid.Float64Range(10, 2000).Draw(t, "width"), 8)
		checkPlaces(t, rects, w, h)
	})
}

func checkPlaces(t *rapid.T, rects []layout.Rect, w, h float64) {
	const slack = 1e-6
	for i, a := range rects {
		if a.X < -slack || a.Y < -slack || a.X+a.W > w+slack || a.Y+a.H > h+slack {
			t.Fatalf("box %d %+v is outside %g×%g", i, a, w, h)
		}
		for j, b := range rects[:i] {
			if a.X < b.X+b.W-slack && b.X < a.X+a.W-slack && a.Y < b.Y+b.H-slack && b.Y < a.Y+a.H-slack {
				t.Fatalf("boxes %d %+v and %d %+v overlap", j, b, i, a)
			}
		}
	}
}
