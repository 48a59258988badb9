package view

import (
	"cmp"
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/httpapi/layout"
)

// Sizes of boxes in CSS pixels at zoom 1. The dashboard draws inside them; text
// that does not fit is shortened there.
const (
	cardW, cardH         = 228, 88 // application, group
	outsideW, outsideH   = 188, 56
	infraW, infraH       = 188, 56
	roleW, roleH         = 168, 56
	workloadW, workloadH = 152, 40
	boxHead              = 52 // title of an opened box
	boxPad               = 18
	zoneHead             = 42
	zonePad              = 26
	zoneGap              = 28
)

var (
	zoneSpacing = layout.Spacing{Column: 104, Row: 26}
	boxSpacing  = layout.Spacing{Column: 72, Row: 16}
)

// place gives every box and zone its place: roles within applications,
// applications within zones, zones on the board.
func place(v *View) {
	children := make([][]int32, len(v.Boxes))
	zones := map[string][]int32{}
	for i := range v.Boxes {
		if p := v.Boxes[i].Parent; p >= 0 {
			children[p] = append(children[p], int32(i))
			continue
		}
		z := v.Boxes[i].Zone
		if _, ok := zones[z]; !ok {
			v.Zones = append(v.Zones, Zone{ID: z, Name: zoneName(z)})
		}
		zones[z] = append(zones[z], int32(i))
	}
	slices.SortStableFunc(v.Zones, func(a, b Zone) int {
		if zoneRank(a.ID) != zoneRank(b.ID) {
			return zoneRank(a.ID) - zoneRank(b.ID)
		}
		return cmp.Compare(a.ID, b.ID)
	})
	for i := len(v.Boxes) - 1; i >= 0; i-- { // children come after their parents
		measure(v, int32(i), children[i])
	}
	b := board{v: v, zones: zones}
	b.place()
	for i := range v.Boxes { // from places within the parent to places on the board
		if p := v.Boxes[i].Parent; p >= 0 {
			v.Boxes[i].X += v.Boxes[p].X
			v.Boxes[i].Y += v.Boxes[p].Y
		}
	}
}

// measure sets the size of one box, and the places of its children within it.
func measure(v *View, box int32, children []int32) {
	b := &v.Boxes[box]
	if len(children) == 0 {
		b.W, b.H = closedSize(b)
		return
	}
	rects := rectsOf(v, children)
	var w, h float64
	if v.Boxes[children[0]].Kind == KindRole || b.Kind == KindApplication || b.Kind == KindGroup {
		w, h = layout.Layered(rects, within(v, children), boxSpacing)
	} else {
		w, h = layout.Grid(rects, layout.Square(rects, 12, 1.6), 12)
	}
	for i, c := range children {
		v.Boxes[c].X, v.Boxes[c].Y = rects[i].X+boxPad, rects[i].Y+boxHead
	}
	b.W, b.H = max(w+2*boxPad, cardW), h+boxHead+boxPad
}

func closedSize(b *Box) (w, h float64) {
	switch b.Kind {
	case KindRole:
		return roleW, roleH
	case KindInfrastructure:
		return infraW, infraH
	case KindNetwork, KindInternet, KindMulticast, KindDomains:
		return outsideW, outsideH
	case KindApplication, KindGroup, KindUngrouped, KindAlike:
		return cardW, cardH
	case KindMore:
		if b.Parent < 0 {
			return cardW, cardH
		}
	}
	return workloadW, workloadH
}

func rectsOf(v *View, boxes []int32) []layout.Rect {
	rects := make([]layout.Rect, len(boxes))
	for i, b := range boxes {
		rects[i].W, rects[i].H = v.Boxes[b].W, v.Boxes[b].H
	}
	return rects
}

// within lifts links to the boxes listed (siblings) and weighs them: the logarithm
// of flows, so that one busy link does not dictate the drawing.
func within(v *View, boxes []int32) []layout.Edge {
	at := map[int32]int{}
	for i, b := range boxes {
		at[b] = i
	}
	lift := func(b int32) (int, bool) {
		for b >= 0 {
			if i, ok := at[b]; ok {
				return i, true
			}
			b = v.Boxes[b].Parent
		}
		return 0, false
	}
	var edges []layout.Edge
	for _, l := range v.Links {
		from, ok1 := lift(l.From)
		to, ok2 := lift(l.To)
		if ok1 && ok2 && from != to {
			edges = append(edges, layout.Edge{From: from, To: to, Weight: 1 + math.Log10(1+float64(l.Flows))})
		}
	}
	return edges
}

// board arranges zones: the outside left, environments in the middle, shared
// infrastructure along the bottom.
type board struct {
	v     *View
	zones map[string][]int32
}

func (b *board) place() {
	var outside, infra *Zone
	var middle []*Zone
	for i := range b.v.Zones {
		switch z := &b.v.Zones[i]; z.ID {
		case zoneOutside:
			outside = z
		case zoneInfra:
			infra = z
		default:
			b.fillLayered(z)
			middle = append(middle, z)
		}
	}
	left := 0.0
	if outside != nil {
		for _, i := range b.zones[zoneOutside] {
			outside.W = max(outside.W, b.v.Boxes[i].W+2*zonePad)
		}
		left = outside.W + zoneGap*2
	}
	right, bottom := shelve(middle, left)
	for _, z := range middle {
		b.shift(z)
	}
	if outside != nil {
		bottom = max(bottom, b.placeOutside(outside, bottom))
		right = max(right, outside.W)
	}
	if infra != nil {
		b.placeInfra(infra, max(right, 5*(infraW+14)), bottom)
		right, bottom = max(right, infra.W), infra.Y+infra.H
	}
	b.v.Size = Size{W: right, H: bottom}
}

// fillLayered arranges the boxes of a zone and sets its size; places are within
// the zone until shift.
func (b *board) fillLayered(z *Zone) {
	boxes := b.zones[z.ID]
	rects := rectsOf(b.v, boxes)
	w, h := layout.Layered(rects, within(b.v, boxes), zoneSpacing)
	for i, box := range boxes {
		b.v.Boxes[box].X, b.v.Boxes[box].Y = rects[i].X, rects[i].Y
	}
	z.W, z.H = w+2*zonePad, h+zoneHead+zonePad
}

// shift moves a zone's boxes to where the zone is, in its middle when the zone was
// stretched.
func (b *board) shift(z *Zone) {
	boxes := b.zones[z.ID]
	var w, h float64
	for _, i := range boxes {
		w, h = max(w, b.v.Boxes[i].X+b.v.Boxes[i].W), max(h, b.v.Boxes[i].Y+b.v.Boxes[i].H)
	}
	dx, dy := z.X+(z.W-w)/2, z.Y+zoneHead+(z.H-zoneHead-zonePad-h)/2
	for _, i := range boxes {
		b.v.Boxes[i].X += dx
		b.v.Boxes[i].Y += dy
	}
}

// shelve puts zones in rows right of left and stretches each row to the widest.
func shelve(zones []*Zone, left float64) (right, bottom float64) {
	rects := make([]layout.Rect, len(zones))
	for i, z := range zones {
		rects[i].W, rects[i].H = z.W, z.H
	}
	width := layout.Square(rects, zoneGap, 1.9)
	layout.Grid(rects, width, zoneGap)
	for i := 0; i < len(zones); {
		end, height, used := i, 0.0, 0.0
		for end < len(zones) && rects[end].Y == rects[i].Y {
			height, used = max(height, rects[end].H), rects[end].X+rects[end].W
			end++
		}
		stretch := max(0, width-used) / float64(end-i)
		for k := i; k < end; k++ {
			*zones[k] = Zone{ID: zones[k].ID, Name: zones[k].Name, Place: Place{
				X: left + rects[k].X + stretch*float64(k-i), Y: rects[k].Y, W: rects[k].W + stretch, H: height,
			}}
			right, bottom = max(right, zones[k].X+zones[k].W), max(bottom, zones[k].Y+zones[k].H)
		}
		i = end
	}
	return right, bottom
}

// placeOutside stacks the outside in a column as high as the middle, each box
// level with what it talks to.
func (b *board) placeOutside(z *Zone, height float64) float64 {
	boxes := b.zones[z.ID]
	pull := map[int32][2]float64{} // sum of centres, count
	for _, l := range b.v.Links {
		for _, end := range [2][2]int32{{l.From, l.To}, {l.To, l.From}} {
			if b.v.Boxes[end[0]].Zone == zoneOutside {
				o := b.top(end[1])
				p := pull[end[0]]
				pull[end[0]] = [2]float64{p[0] + o.Y + o.H/2, p[1] + 1}
			}
		}
	}
	centre := func(i int32) float64 {
		if p := pull[i]; p[1] > 0 {
			return p[0] / p[1]
		}
		return height
	}
	slices.SortStableFunc(boxes, func(a, c int32) int { return cmp.Compare(centre(a), centre(c)) })
	const gap = 18
	rest := -gap + 0.0 // the height that boxes from here on need
	for _, i := range boxes {
		rest += b.v.Boxes[i].H + gap
	}
	y := zoneHead + 0.0
	for _, i := range boxes {
		o := &b.v.Boxes[i]
		y = max(y, min(centre(i)-o.H/2, height-zonePad-rest))
		o.X, o.Y = (z.W-o.W)/2, y
		y += o.H + gap
		rest -= o.H + gap
	}
	z.X, z.Y, z.H = 0, 0, max(height, y-gap+zonePad)
	return z.H
}

func (b *board) top(i int32) *Box {
	for b.v.Boxes[i].Parent >= 0 {
		i = b.v.Boxes[i].Parent
	}
	return &b.v.Boxes[i]
}

// placeInfra fills the strip along the bottom.
func (b *board) placeInfra(z *Zone, width, top float64) {
	boxes := b.zones[z.ID]
	rects := rectsOf(b.v, boxes)
	_, h := layout.Grid(rects, width-2*zonePad, 14)
	z.X, z.Y, z.W, z.H = 0, top, width, h+zoneHead+zonePad-6
	if top > 0 {
		z.Y += zoneGap
	}
	for i, box := range boxes {
		b.v.Boxes[box].X, b.v.Boxes[box].Y = z.X+zonePad+rects[i].X, z.Y+zoneHead+rects[i].Y
	}
}
