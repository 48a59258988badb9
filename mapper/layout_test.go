package mapper_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

func TestLayoutPlacesGroupsWithoutOverlap(t *testing.T) {
	in, _ := estateInput(t, scenario.Options{})
	m := build(t, in)
	l := mapper.Layout(m, nil)
	if diff := cmp.Diff(l, mapper.Layout(m, nil)); diff != "" {
		t.Errorf("not deterministic:\n%s", diff)
	}
	for a := range l.Applications {
		for b := range a {
			if overlap(l.Applications[a], l.Applications[b]) {
				t.Errorf("applications %s and %s overlap: %+v %+v", m.Applications[a].Name, m.Applications[b].Name, l.Applications[a], l.Applications[b])
			}
		}
	}
	for r, role := range m.Roles {
		if role.App >= 0 && !inside(l.Roles[r], l.Applications[role.App]) {
			t.Errorf("role %s lies outside application %s", role.Name, m.Applications[role.App].Name)
		}
		for q := range r {
			if overlap(l.Roles[r], l.Roles[q]) {
				t.Errorf("roles %s and %s overlap", role.Name, m.Roles[q].Name)
			}
		}
		for _, i := range role.Members {
			if p := l.Nodes[i]; !inside(topology.Box{X: p.X, Y: p.Y}, l.Roles[r]) {
				t.Errorf("%s lies outside its role", m.Graph.Nodes[i].Name)
			}
		}
	}
	for i, p := range l.Nodes {
		if p.X < 0 || p.Y < 0 || p.X > l.Width+1e-6 || p.Y > l.Height+1e-6 {
			t.Errorf("%s at %+v is off the %gx%g plane", m.Graph.Nodes[i].Name, p, l.Width, l.Height)
		}
	}
}

func overlap(a, b topology.Box) bool {
	return math.Abs(a.X-b.X) < (a.Width+b.Width)/2-1e-6 && math.Abs(a.Y-b.Y) < (a.Height+b.Height)/2-1e-6
}

func inside(in, out topology.Box) bool {
	return math.Abs(in.X-out.X) <= (out.Width-in.Width)/2+1e-6 && math.Abs(in.Y-out.Y) <= (out.Height-in.Height)/2+1e-6
}

func TestLayoutStays(t *testing.T) {
	in, _ := estateInput(t, scenario.Options{})
	m := build(t, in)
	before := &mapper.Placed{Map: m, Layout: mapper.Layout(m, nil)}
	for name, edges := range map[string]int{"nothing changed": len(in.Edges), "a tenth not seen": len(in.Edges) * 9 / 10} {
		less := in
		less.Edges, less.Previous = in.Edges[:edges], m
		now := build(t, less)
		l := mapper.Layout(now, before)
		was := map[string]topology.Box{}
		for a, app := range m.Applications {
			was[app.ID] = before.Layout.Applications[a]
		}
		stayed := 0
		for a, app := range now.Applications {
			if b, ok := was[app.ID]; ok && math.Hypot(b.X-l.Applications[a].X, b.Y-l.Applications[a].Y) < 20 {
				stayed++
			}
		}
		if 10*stayed < 8*len(now.Applications) {
			t.Errorf("%s: only %d of %d applications stayed where they were", name, stayed, len(now.Applications))
		}
	}
}
