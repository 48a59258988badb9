package mapper

import (
	"cmp"
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/topology"
)

// Placed is a map with the positions its things were given.
type Placed struct {
	Map    *topology.Map
	Layout topology.Layout
}

// Spacing in units of one workload's diameter.
const (
	cell     = 2.0 // between the centres of two members
	roleGap  = 1.5
	appGap   = 6.0
	padding  = 1.0
	titleBar = 2.0 // room for a group's name
)

// Layout places a map on the plane, groups first: outside things in a row at the
// top, infrastructure below them, applications in the middle near those they deal
// with, what belongs to no application at the bottom. Within an application roles
// stand in columns, clients left of their servers. Applications that prev placed
// stay where they are as far as sizes allow; prev may be nil. The same map and
// prev give the same layout.
func Layout(m *topology.Map, prev *Placed) topology.Layout {
	l := &layouter{m: m, out: topology.Layout{
		Applications: make([]topology.Box, len(m.Applications)),
		Roles:        make([]topology.Box, len(m.Roles)),
		Nodes:        make([]topology.Point, len(m.Graph.Nodes)),
	}}
	l.sizeRoles()
	l.sizeApplications()
	l.placeApplications(prev)
	l.settle()
	l.placeMembers()
	return l.out
}

type layouter struct {
	m        *topology.Map
	out      topology.Layout
	anchored bool                 // some applications stand where prev had them
	inApp    [][]int32            // roles per application
	offset   []topology.Point     // per role, centre relative to its application's
	loose    []int32              // roles of no application
	pull     map[[2]int32]float64 // dependencies between applications
}

// sizeRoles makes every role a near-square grid of its members.
func (l *layouter) sizeRoles() {
	for r := range l.m.Roles {
		cols, rows := grid(len(l.m.Roles[r].Members))
		l.out.Roles[r] = topology.Box{Width: float64(cols)*cell + 2*padding, Height: float64(rows)*cell + 2*padding + titleBar}
	}
}

func grid(n int) (cols, rows int) {
	cols = max(int(math.Ceil(math.Sqrt(float64(n)))), 1)
	return cols, max((n+cols-1)/cols, 1)
}

// sizeApplications arranges each application's roles in columns by tier.
func (l *layouter) sizeApplications() {
	l.inApp = make([][]int32, len(l.m.Applications))
	l.offset = make([]topology.Point, len(l.m.Roles))
	for r := range l.m.Roles {
		if a := l.m.Roles[r].App; a >= 0 {
			l.inApp[a] = append(l.inApp[a], int32(r))
		} else {
			l.loose = append(l.loose, int32(r))
		}
	}
	tier := l.tiers()
	for a, roles := range l.inApp {
		slices.SortStableFunc(roles, func(x, y int32) int { return cmp.Compare(tier[x], tier[y]) })
		l.sizeApplication(int32(a), roles, tier)
	}
}

func (l *layouter) sizeApplication(a int32, roles []int32, tier []int) {
	x, tallest := padding, 0.0
	height := make([]float64, len(roles))
	for i := 0; i < len(roles); {
		j, wide, y := i, 0.0, 0.0
		for ; j < len(roles) && tier[roles[j]] == tier[roles[i]]; j++ {
			b := l.out.Roles[roles[j]]
			l.offset[roles[j]].Y = y + b.Height/2
			wide, y = max(wide, b.Width), y+b.Height+roleGap
		}
		for k := i; k < j; k++ {
			l.offset[roles[k]].X = x + wide/2
			height[k] = y - roleGap
		}
		x, tallest = x+wide+roleGap, max(tallest, y-roleGap)
		i = j
	}
	box := topology.Box{Width: x - roleGap + padding, Height: tallest + 2*padding + titleBar}
	for k, r := range roles {
		l.offset[r].X -= box.Width / 2
		l.offset[r].Y += titleBar + padding + (tallest-height[k])/2 - box.Height/2
	}
	l.out.Applications[a] = box
}

// tiers counts, per role, the longest chain of clients in front of it within its
// application; a bounded number of rounds breaks cycles.
func (l *layouter) tiers() []int {
	type pair struct{ c, s int32 }
	pairs := map[pair]bool{}
	l.pull = map[[2]int32]float64{}
	for _, d := range l.m.Graph.Deps {
		c, s := l.m.RoleOf[d.Client], l.m.RoleOf[d.Server]
		if c < 0 || s < 0 || c == s {
			continue
		}
		a, b := l.m.Roles[c].App, l.m.Roles[s].App
		switch {
		case a >= 0 && a == b:
			pairs[pair{c, s}] = true
		case a >= 0 && b >= 0 && l.m.Applications[a].Infrastructure == "" && l.m.Applications[b].Infrastructure == "":
			l.pull[[2]int32{min(a, b), max(a, b)}]++
		}
	}
	edges := make([]pair, 0, len(pairs))
	for p := range pairs {
		if !pairs[pair{p.s, p.c}] || p.c < p.s {
			edges = append(edges, p)
		}
	}
	tier := make([]int, len(l.m.Roles))
	for range 6 {
		next := slices.Clone(tier)
		for _, e := range edges {
			next[e.s] = max(next[e.s], min(tier[e.c]+1, 6))
		}
		tier = next
	}
	return tier
}

// settle shifts everything to positive coordinates, with rows for the outside and
// infrastructure above the applications and the rest below, and fills the roles'
// boxes in.
func (l *layouter) settle() {
	left, top, right, bottom := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, b := range l.out.Applications {
		left, right = min(left, b.X-b.Width/2), max(right, b.X+b.Width/2)
		top, bottom = min(top, b.Y-b.Height/2), max(bottom, b.Y+b.Height/2)
	}
	if len(l.out.Applications) == 0 {
		left, top, right, bottom = 0, 0, 60, 0
	}
	width := max(right-left, 60)
	var infra, rest []int32
	shared := map[int32]bool{}
	for _, f := range l.m.Infrastructure {
		shared[f.Node] = true
	}
	for _, r := range l.loose {
		if shared[l.m.Roles[r].Members[0]] {
			infra = append(infra, r)
		} else {
			rest = append(rest, r)
		}
	}
	y := l.outsideRow(width)
	y = l.shelf(infra, width, y)
	dx, dy := appGap/2-left, y+appGap/2-top
	if l.anchored { // what stands where it stood is not shifted without need
		dx, dy = max(dx, 0), max(dy, 0)
		width = max(width, right)
	}
	for a := range l.out.Applications {
		b := &l.out.Applications[a]
		b.X, b.Y = b.X+dx, b.Y+dy
		for _, r := range l.inApp[a] {
			l.out.Roles[r].X, l.out.Roles[r].Y = b.X+l.offset[r].X, b.Y+l.offset[r].Y
		}
	}
	l.out.Width = width + appGap
	l.out.Height = l.shelf(rest, width, bottom+dy+appGap)
}

// outsideRow places what is not a workload and returns where it ends.
func (l *layouter) outsideRow(width float64) float64 {
	x, y, any := appGap, padding+1, false
	for i := range l.m.Graph.Nodes {
		if l.m.RoleOf[i] >= 0 {
			continue
		}
		if x > width {
			x, y = appGap, y+3*cell
		}
		l.out.Nodes[i] = topology.Point{X: x, Y: y}
		x, any = x+4*cell, true
	}
	if !any {
		return 0
	}
	return y + 2*cell
}

// shelf places roles left to right in rows from y on and returns where they end.
func (l *layouter) shelf(roles []int32, width, y float64) float64 {
	x, tallest := appGap/2, 0.0
	for _, r := range roles {
		b := &l.out.Roles[r]
		if x+b.Width > width && x > appGap/2 {
			x, y, tallest = appGap/2, y+tallest+roleGap, 0
		}
		b.X, b.Y = x+b.Width/2, y+b.Height/2
		x, tallest = x+b.Width+roleGap, max(tallest, b.Height)
	}
	if len(roles) == 0 {
		return y
	}
	return y + tallest + appGap
}

// placeMembers fills every role's grid, in the members' order.
func (l *layouter) placeMembers() {
	for r := range l.m.Roles {
		b := l.out.Roles[r]
		cols, _ := grid(len(l.m.Roles[r].Members))
		for k, i := range l.m.Roles[r].Members {
			l.out.Nodes[i] = topology.Point{
				X: b.X - b.Width/2 + padding + cell*(float64(k%cols)+0.5),
				Y: b.Y - b.Height/2 + padding + titleBar + cell*(float64(k/cols)+0.5),
			}
		}
	}
}
