package view_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi/fake"
	"github.com/bulkhead/bulkhead/httpapi/view"
	"github.com/bulkhead/bulkhead/topology"
)

var last = time.Date(2026, time.November, 2, 12, 0, 0, 0, time.UTC)

func estate() *view.Index { return view.NewIndex(fake.Estate(last)) }

func open(ids ...string) map[string]bool {
	m := map[string]bool{}
	for _, id := range ids {
		m[id] = true
	}
	return m
}

func ids(v *view.View, parent string) []string {
	var out []string
	for _, b := range v.Boxes {
		if (b.Parent < 0 && parent == "") || (b.Parent >= 0 && v.Boxes[b.Parent].ID == parent) {
			out = append(out, b.ID)
		}
	}
	return out
}

func TestTopLevelIsApplicationsInfrastructureAndOutside(t *testing.T) {
	v := estate().Build(view.Query{})
	want := []string{
		"node:internet", "node:net:card-acquirer", "node:net:climate-vendor",
		"app:payments-prod", "app:webshop-prod", "app:customers-prod", "app:point-of-sale-prod", "app:inventory-prod",
		"app:analytics-prod", "app:office-prod", "app:climate-prod", "app:webshop-staging", "app:payments-staging",
		"app:buildfarm-dev", "app:webshop-dev",
		"infra:directory", "infra:dns", "infra:backup", "infra:jump-host", "infra:monitoring", "infra:logging", "infra:scanner",
	}
	if diff := cmp.Diff(want, ids(v, "")); diff != "" {
		t.Errorf("top boxes (-want +got):\n%s", diff)
	}
}

func TestOpeningShowsRolesThenWorkloads(t *testing.T) {
	x := estate()
	v := x.Build(view.Query{Expand: open("app:payments-prod")})
	roles := ids(v, "app:payments-prod")
	if len(roles) != 4 {
		t.Fatalf("payments has 4 roles, got %v", roles)
	}
	v = x.Build(view.Query{Expand: open("app:payments-prod", roles[0])})
	want := []string{"node:payments-api-prod-001", "node:payments-api-prod-002", "node:payments-api-prod-003", "node:payments-api-prod-004", "node:payments-api-prod-005", "node:payments-api-prod-006"}
	if diff := cmp.Diff(want, ids(v, roles[0])); diff != "" {
		t.Errorf("workloads of the biggest role (-want +got):\n%s", diff)
	}
}

func TestLargeRoleFoldsTheRest(t *testing.T) {
	x := estate()
	role := ids(x.Build(view.Query{Expand: open("app:point-of-sale-prod")}), "app:point-of-sale-prod")[0]
	v := x.Build(view.Query{Expand: open("app:point-of-sale-prod", role)})
	inside := ids(v, role)
	if len(inside) != 60 || inside[59] != "more:"+role {
		t.Fatalf("240 terminals should show as 59 and a rest, got %d ending in %s", len(inside), inside[len(inside)-1])
	}
	for _, b := range v.Boxes {
		if b.ID == "more:"+role && b.Nodes != 181 {
			t.Errorf("the rest stands for %d, want 181", b.Nodes)
		}
	}
}

func TestInfrastructureChoices(t *testing.T) {
	tests := []struct {
		infra       view.Infra
		boxes       bool
		links, fold bool
	}{
		{view.InfraFold, true, false, true},
		{view.InfraShow, true, true, false},
		{view.InfraHide, false, false, false},
	}
	for _, tt := range tests {
		v := estate().Build(view.Query{Infra: tt.infra})
		if got := slices.Contains(ids(v, ""), "infra:dns"); got != tt.boxes {
			t.Errorf("%s: dns drawn: %v", tt.infra, got)
		}
		links := false
		for _, l := range v.Links {
			links = links || v.Boxes[l.From].Zone == "infrastructure" || v.Boxes[l.To].Zone == "infrastructure"
		}
		if links != tt.links || (v.Count.Folded > 0) != tt.fold {
			t.Errorf("%s: links to infrastructure: %v, folded %d", tt.infra, links, v.Count.Folded)
		}
	}
}

// Every dependency is on a link, within a box, or counted as folded.
func TestNoFlowIsLost(t *testing.T) {
	for _, q := range []view.Query{
		{}, {Infra: view.InfraShow}, {Group: []string{"env"}}, {Group: []string{"env", "role"}, Infra: view.InfraShow},
		{Expand: open("app:payments-prod", "app:webshop-prod", "infra:dns")}, {Draw: 5, Infra: view.InfraShow},
	} {
		x := estate()
		v := x.Build(q)
		got, deps := uint64(0), v.Count.Folded
		for _, l := range v.Links {
			got += l.Flows
			deps += l.Deps
		}
		for _, b := range v.Boxes {
			got += b.Self
		}
		if v.Count.Folded == 0 && got != v.Count.Flows {
			t.Errorf("%+v: %d flows drawn of %d", q, got, v.Count.Flows)
		}
		if q.Infra == view.InfraShow && deps > v.Count.Deps {
			t.Errorf("%+v: %d dependencies drawn of %d", q, deps, v.Count.Deps)
		}
	}
}

// The budget holds at every size, and every node is still in some box.
func TestBudget(t *testing.T) {
	for _, draw := range []int{5, 12, 50, 500} {
		m := fake.Estate(last)
		x := view.NewIndex(m)
		expand := open("infra:dns")
		for _, a := range m.Applications {
			expand["app:"+a.ID] = true
		}
		for _, id := range ids(x.Build(view.Query{Expand: expand}), "app:point-of-sale-prod") {
			expand[id] = true
		}
		v := x.Build(view.Query{Expand: expand, Draw: draw})
		if over := v.Count.Shown - draw; over > 8 {
			t.Errorf("draw %d: %d boxes shown", draw, v.Count.Shown)
		}
		nodes := 0
		for _, b := range v.Boxes {
			if !b.Open {
				nodes += b.Nodes
			}
			if d, ok := x.Detail(b.ID, nil); !ok || d.Name == "" || d.Kind == "" {
				t.Errorf("draw %d: box %s has no panel: %+v", draw, b.ID, d)
			}
		}
		if nodes != len(m.Graph.Nodes) {
			t.Errorf("draw %d: boxes stand for %d of %d nodes", draw, nodes, len(m.Graph.Nodes))
		}
	}
}

func TestPlacesNestAndDoNotOverlap(t *testing.T) {
	x := estate()
	role := ids(x.Build(view.Query{Expand: open("app:point-of-sale-prod")}), "app:point-of-sale-prod")[0]
	v := x.Build(view.Query{Expand: open("app:point-of-sale-prod", role, "app:payments-prod", "infra:dns")})
	for i, b := range v.Boxes {
		if b.Parent >= 0 {
			p := v.Boxes[b.Parent]
			if b.X < p.X || b.Y < p.Y || b.X+b.W > p.X+p.W || b.Y+b.H > p.Y+p.H {
				t.Errorf("%s %+v sticks out of %s %+v", b.ID, b.Place, p.ID, p.Place)
			}
		}
		for _, o := range v.Boxes[:i] {
			if o.Parent == b.Parent && b.X < o.X+o.W && o.X < b.X+b.W && b.Y < o.Y+o.H && o.Y < b.Y+b.H {
				t.Errorf("%s %+v overlaps %s %+v", b.ID, b.Place, o.ID, o.Place)
			}
		}
		if b.X < 0 || b.Y < 0 || b.X+b.W > v.Size.W || b.Y+b.H > v.Size.H {
			t.Errorf("%s %+v is off the board %+v", b.ID, b.Place, v.Size)
		}
	}
	for i, z := range v.Zones {
		for _, o := range v.Zones[:i] {
			if z.X < o.X+o.W && o.X < z.X+z.W && z.Y < o.Y+o.H && o.Y < z.Y+z.H {
				t.Errorf("zones %s and %s overlap", z.ID, o.ID)
			}
		}
	}
}

func TestFocusKeepsOnlyNeighbours(t *testing.T) {
	v := estate().Build(view.Query{Focus: "app:climate-prod"})
	want := []string{"node:net:climate-vendor", "app:point-of-sale-prod", "app:climate-prod", "infra:directory", "infra:dns", "infra:monitoring", "infra:logging"}
	if diff := cmp.Diff(want, ids(v, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGroupByLabels(t *testing.T) {
	v := estate().Build(view.Query{Group: []string{"env"}, Infra: view.InfraHide})
	want := []string{"node:internet", "node:net:card-acquirer", "node:net:climate-vendor", "group:env=prod", "group:env=staging", "group:env=dev"}
	if diff := cmp.Diff(want, ids(v, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNewSince(t *testing.T) {
	m := fake.Estate(last)
	m.Graph.Deps[0].First = flow.TimeOf(last)
	v := view.NewIndex(m).Build(view.Query{Infra: view.InfraShow, NewSince: flow.TimeOf(last.Add(-time.Hour))})
	marked := 0
	for _, l := range v.Links {
		marked += l.New
	}
	for _, b := range v.Boxes {
		marked += b.New
	}
	if v.Count.New != 1 || marked != 1 {
		t.Errorf("one new dependency: counted %d, marked %d", v.Count.New, marked)
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	q := view.Query{Expand: open("app:payments-prod", "app:webshop-prod"), Infra: view.InfraShow}
	a, b := marshal(t, estate().Build(q)), marshal(t, estate().Build(q))
	if a != b {
		t.Error("two builds of one map differ")
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSearch(t *testing.T) {
	x := estate()
	tests := []struct{ text, first, why string }{
		{"payments-db-prod-002", "node:payments-db-prod-002", "name"},
		{"10.5.0.5", "node:payments-db-prod-002", "address 10.5.0.5"},
		{"climate-vendor", "node:net:climate-vendor", "name"},
		{"role=hsm", "node:payments-hsm-prod-001", "label role=hsm"},
		{"webshop", "app:webshop-prod", "application prod"},
	}
	for _, tt := range tests {
		hits := x.Search(tt.text, nil, 10)
		if len(hits) == 0 || hits[0].ID != tt.first || hits[0].Why != tt.why {
			t.Errorf("search %q: got %+v", tt.text, hits)
			continue
		}
		v := x.Build(view.Query{Expand: open(hits[0].Path[:len(hits[0].Path)-1]...)})
		if !slices.ContainsFunc(v.Boxes, func(b view.Box) bool { return b.ID == tt.first }) {
			t.Errorf("search %q: opening %v does not show it", tt.text, hits[0].Path)
		}
	}
	if hits := x.Search("  ", nil, 10); len(hits) != 0 {
		t.Errorf("nothing asked, %d found", len(hits))
	}
}

func TestDetail(t *testing.T) {
	x := estate()
	d, ok := x.Detail("app:payments-prod", nil)
	if !ok || d.Nodes != 15 || d.Priority != topology.PriorityCritical {
		t.Fatalf("payments: %v %+v", ok, d)
	}
	var users []string
	for _, n := range d.Clients {
		users = append(users, n.Name)
	}
	slices.Sort(users)
	if diff := cmp.Diff([]string{"jump-host", "monitoring", "point-of-sale", "webshop"}, users); diff != "" {
		t.Errorf("who uses payments (-want +got):\n%s", diff)
	}
	if _, ok := x.Detail("app:nothing", nil); ok {
		t.Error("a box that is not there has a panel")
	}
}

func TestLink(t *testing.T) {
	x := estate()
	d, ok := x.Link("app:climate-prod", "app:point-of-sale-prod", nil, nil)
	if !ok || d.Total != 120 || len(d.Services) != 1 || d.Services[0].Service.String() != "tcp/445" || d.Services[0].Clients != 60 {
		t.Fatalf("climate to point of sale: %v %+v", ok, d)
	}
	if _, ok := x.Link("app:point-of-sale-prod", "app:climate-prod", nil, nil); ok {
		t.Error("the link has a panel the other way round too")
	}
}

// Names come from the wire: ids with separators in them must not confuse look-ups.
func TestHostileNames(t *testing.T) {
	m := &topology.Map{RoleOf: []int32{-1, -1}, AppOf: []int32{-1, -1}, Labels: []topology.Labels{{"app": "a,b=c/role:x"}, nil}, Priorities: make([]topology.Priority, 2)}
	m.Graph.Nodes = []topology.Node{{ID: "a/role:b", Name: "<script>"}, {ID: "node:x,y", Name: "\x00"}}
	m.Graph.Deps = []topology.Dependency{{Client: 0, Server: 1, Service: flow.Service{Proto: flow.TCP, Port: 1}}}
	x := view.NewIndex(m)
	for _, q := range []view.Query{{}, {Group: []string{"app", "role"}}} {
		for _, b := range x.Build(q).Boxes {
			if _, ok := x.Detail(b.ID, q.Group); !ok {
				t.Errorf("box %q cannot be looked up again", b.ID)
			}
		}
	}
	for _, n := range m.Graph.Nodes {
		if got := x.Members("node:"+n.ID, nil); len(got) != 1 {
			t.Errorf("node %q: %v", n.ID, got)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, open := range []bool{false, true} {
		b.Run(fmt.Sprintf("open=%v", open), func(b *testing.B) {
			x := estate()
			q := view.Query{Expand: map[string]bool{"app:payments-prod": open, "app:webshop-prod": open}}
			b.ReportAllocs()
			for b.Loop() {
				x.Build(q)
			}
		})
	}
}
