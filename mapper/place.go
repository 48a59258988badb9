package mapper

import (
	"cmp"
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/topology"
)

// Work bounds of the placement: pairs of applications looked at.
const (
	springPairs = 40_000_000
	shovePairs  = 80_000_000
	maxSprings  = 120
	maxShoves   = 200
)

// placeApplications gives each application's box a centre.
func (l *layouter) placeApplications(prev *Placed) {
	fixed := l.inherit(prev)
	l.seed(fixed)
	if l.anchored = slices.Contains(fixed, true); !l.anchored {
		l.springs()
	}
	l.shove(fixed)
}

// inherit takes over the centres of applications that prev knows, by identity.
func (l *layouter) inherit(prev *Placed) []bool {
	fixed := make([]bool, len(l.out.Applications))
	if prev == nil || prev.Map == nil || len(prev.Layout.Applications) != len(prev.Map.Applications) {
		return fixed
	}
	at := map[string]topology.Box{}
	for a := range prev.Map.Applications {
		at[prev.Map.Applications[a].ID] = prev.Layout.Applications[a]
	}
	for a := range l.m.Applications {
		if b, ok := at[l.m.Applications[a].ID]; ok {
			l.out.Applications[a].X, l.out.Applications[a].Y = b.X, b.Y
			fixed[a] = true
		}
	}
	return fixed
}

// seed starts new applications on a sunflower spiral, largest in the middle
// (Vogel, Mathematical Biosciences 44, 1979, doi:10.1016/0025-5564(79)90080-4),
// or beside the placed application they deal with most.
func (l *layouter) seed(fixed []bool) {
	boxes := l.out.Applications
	order := make([]int32, len(boxes))
	for a := range order {
		order[a] = int32(a)
	}
	slices.SortStableFunc(order, func(x, y int32) int {
		return cmp.Compare(boxes[y].Width*boxes[y].Height, boxes[x].Width*boxes[x].Height)
	})
	area := 0.0
	for k, a := range order {
		b := &boxes[a]
		area += (b.Width + appGap) * (b.Height + appGap)
		if fixed[a] {
			continue
		}
		if near := l.nearest(a, fixed); near >= 0 {
			b.X, b.Y = boxes[near].X+boxes[near].Width/2+appGap+b.Width/2, boxes[near].Y
			continue
		}
		angle, radius := float64(k)*2.399963229728653, math.Sqrt(area/math.Pi)
		b.X, b.Y = 1.4*radius*math.Cos(angle), radius*math.Sin(angle)
	}
}

// nearest is the placed application that a deals with most, -1 for none.
func (l *layouter) nearest(a int32, fixed []bool) int32 {
	best, most := int32(-1), 0.0
	for pair, n := range l.pull {
		other := pair[0] + pair[1] - a
		if (pair[0] != a && pair[1] != a) || !fixed[other] {
			continue
		}
		if n > most || (n == most && other < best) {
			best, most = other, n
		}
	}
	return best
}

// springs pulls applications that deal with each other together and keeps all
// apart (Fruchterman and Reingold, Software: Practice and Experience 21, 1991,
// doi:10.1002/spe.4380211102).
func (l *layouter) springs() {
	boxes := l.out.Applications
	n := len(boxes)
	if n < 3 {
		return
	}
	pulls := make([][2]int32, 0, len(l.pull))
	area := 0.0
	for p := range l.pull {
		pulls = append(pulls, p)
	}
	slices.SortFunc(pulls, func(x, y [2]int32) int { return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1])) })
	for _, b := range boxes {
		area += (b.Width + appGap) * (b.Height + appGap)
	}
	ideal := math.Sqrt(area / float64(n))
	rounds := min(maxSprings, max(springPairs/(n*n), 1))
	for round := range rounds {
		force := make([]topology.Point, n)
		for i := range n {
			for j := range i {
				push(boxes, force, i, j, func(d float64) float64 { return ideal * ideal / d })
			}
		}
		for _, p := range pulls {
			push(boxes, force, int(p[0]), int(p[1]), func(d float64) float64 { return -d * d / ideal / 2 })
		}
		heat := ideal * (1 - float64(round)/float64(rounds))
		for i := range boxes {
			d := math.Hypot(force[i].X, force[i].Y)
			if d == 0 {
				continue
			}
			step := min(d, heat)
			boxes[i].X += force[i].X / d * step
			boxes[i].Y += force[i].Y / d * step
		}
	}
}

// push adds a force along the line from j to i; negative pulls.
func push(boxes []topology.Box, force []topology.Point, i, j int, size func(d float64) float64) {
	dx, dy := boxes[i].X-boxes[j].X, boxes[i].Y-boxes[j].Y
	d := max(math.Hypot(dx, dy), 0.01)
	f := size(d) / d
	force[i].X, force[i].Y = force[i].X+dx*f, force[i].Y+dy*f
	force[j].X, force[j].Y = force[j].X-dx*f, force[j].Y-dy*f
}

// shove moves overlapping boxes apart along the shorter way, the one that was
// placed before less than the new one. If that does not end within its bounds the
// boxes go into rows.
func (l *layouter) shove(fixed []bool) {
	boxes := l.out.Applications
	n := len(boxes)
	rounds := min(maxShoves, max(shovePairs/max(n*n, 1), 1))
	for range rounds {
		moved := false
		for i := range n {
			for j := range i {
				moved = apart(&boxes[i], &boxes[j], weight(fixed[i]), weight(fixed[j])) || moved
			}
		}
		if !moved {
			return
		}
	}
	l.rows()
}

func weight(fixed bool) float64 {
	if fixed {
		return 0.1
	}
	return 1
}

// apart separates two boxes and reports whether they overlapped. wa and wb say
// how willingly each moves.
func apart(a, b *topology.Box, wa, wb float64) bool {
	ox := (a.Width+b.Width)/2 + appGap - math.Abs(a.X-b.X)
	oy := (a.Height+b.Height)/2 + appGap - math.Abs(a.Y-b.Y)
	if ox <= 1e-6 || oy <= 1e-6 {
		return false
	}
	if ox < oy {
		s := math.Copysign(ox+1e-3, a.X-b.X) / (wa + wb)
		a.X, b.X = a.X+s*wa, b.X-s*wb
	} else {
		s := math.Copysign(oy+1e-3, a.Y-b.Y) / (wa + wb)
		a.Y, b.Y = a.Y+s*wa, b.Y-s*wb
	}
	return true
}

// rows packs all boxes onto shelves in the order of where they stand, top to
// bottom, so that neighbours stay near.
func (l *layouter) rows() {
	boxes := l.out.Applications
	order := make([]int32, len(boxes))
	area := 0.0
	for a := range order {
		order[a] = int32(a)
		area += (boxes[a].Width + appGap) * (boxes[a].Height + appGap)
	}
	band := max(math.Sqrt(area)/8, 1)
	slices.SortStableFunc(order, func(x, y int32) int {
		return cmp.Or(cmp.Compare(math.Floor(boxes[x].Y/band), math.Floor(boxes[y].Y/band)), cmp.Compare(boxes[x].X, boxes[y].X))
	})
	x, y, tallest, width := 0.0, 0.0, 0.0, 1.4*math.Sqrt(area)
	for _, a := range order {
		b := &boxes[a]
		if x > 0 && x+b.Width > width {
			x, y, tallest = 0, y+tallest+appGap, 0
		}
		b.X, b.Y = x+b.Width/2, y+b.Height/2
		x, tallest = x+b.Width+appGap, max(tallest, b.Height)
	}
}
