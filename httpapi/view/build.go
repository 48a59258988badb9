package view

import (
	"sort"

	"github.com/bulkhead/bulkhead/topology"
)

// defaultDraw is the most boxes a view has: beyond about 500 neither browsers nor
// people follow.
const defaultDraw = 500

// perRole is how many workloads an opened role shows before the rest fold into
// one box.
const perRole = 60

// builder collects boxes while a view is made.
type builder struct {
	x     *Index
	q     Query
	boxes []Box
	at    []int32 // per node: the deepest box that stands for it, -1 for none
	left  int     // boxes the budget has left
	crowd bool
}

// Build draws the map as q asks.
func (x *Index) Build(q Query) *View {
	if q.Draw <= 0 {
		q.Draw = defaultDraw
	}
	if q.Infra == "" {
		q.Infra = InfraFold
	}
	keep := x.focus(&q)
	g := x.groupNodes(q, keep)
	b := &builder{x: x, q: q, at: make([]int32, len(x.Map.Graph.Nodes)), left: q.Draw}
	for n := range b.at {
		b.at[n] = -1
	}
	b.groups(g)
	b.countReview()
	v := &View{Since: x.Map.Since, Until: x.Map.Until, Zones: []Zone{}, Keys: x.labelKeys()}
	b.links(v)
	b.shade(v)
	v.Boxes = append([]Box{}, b.boxes...) // never null on the wire
	b.count(v)
	if !q.Matrix {
		place(v)
	}
	return v
}

// groups draws the top level: all of it when it fits, else the most important
// part and one box per zone for the rest.
func (b *builder) groups(g *grouping) {
	units := b.units(g)
	shown := len(units)
	if shown > b.q.Draw {
		b.crowd = true
		sort.SliceStable(units, func(i, j int) bool { return units[i].before(&units[j]) })
		shown = max(1, b.q.Draw-zonesOf(g))
	}
	b.left -= shown
	for _, u := range units[:shown] {
		if u.class != nil {
			b.alike(u)
			continue
		}
		b.group(u.groups[0], -1)
	}
	b.rest(units[shown:])
}

// before orders units by what matters when not all fit: priority, then size.
func (u *unit) before(o *unit) bool {
	a, b := u.groups[0], o.groups[0]
	if a.priority != b.priority {
		return a.priority > b.priority
	}
	return len(a.members) > len(b.members)
}

// rest folds what the budget left no room for into one box per zone.
func (b *builder) rest(units []unit) {
	at := map[string]int32{}
	for _, u := range units {
		for _, gr := range u.groups {
			box, ok := at[gr.zone]
			if !ok {
				box = b.add(Box{ID: idMore + gr.zone, Kind: KindMore, Name: "the rest", Parent: -1, Zone: gr.zone})
				at[gr.zone] = box
			}
			b.boxes[box].Nodes += len(gr.members)
			b.boxes[box].Parts = append(b.boxes[box].Parts, Part{Name: gr.name, Nodes: len(gr.members)})
			b.assign(gr.members, box)
		}
	}
	for _, box := range at {
		parts := b.boxes[box].Parts
		sort.SliceStable(parts, func(i, j int) bool { return parts[i].Nodes > parts[j].Nodes })
		b.boxes[box].Parts = parts[:min(len(parts), 12)]
	}
}

func zonesOf(g *grouping) int {
	zones := map[string]bool{}
	for i := range g.groups {
		zones[g.groups[i].zone] = true
	}
	return len(zones)
}

// add appends a box and returns its index.
func (b *builder) add(box Box) int32 {
	b.boxes = append(b.boxes, box)
	return int32(len(b.boxes) - 1)
}

// group draws one group, opened as far as the query and budget allow. Parent is
// the box of its class, -1 at the top.
func (b *builder) group(g *group, within int32) {
	box := Box{
		ID: g.id, Kind: g.kind, Name: g.name, Parent: within, Env: g.env,
		Nodes: len(g.members), Priority: g.priority, Infra: g.infra,
		Opens: g.zone != zoneOutside || g.kind == KindDomains,
	}
	if within < 0 {
		box.Zone = g.zone
	}
	parts := b.x.parts(g)
	if len(parts) > 1 || parts[0].role >= 0 {
		for _, p := range parts {
			box.Parts = append(box.Parts, Part{Name: b.x.roleName(p.role), Nodes: len(p.members)})
		}
	}
	box.Open = box.Opens && b.q.Expand[g.id] && b.left > 0
	parent := b.add(box)
	switch {
	case !box.Open:
		b.assign(g.members, parent)
	case len(box.Parts) == 0:
		b.workloads(g.members, parent, g.id)
	default:
		b.left -= len(parts) - 1
		for _, p := range parts {
			b.role(g, p, parent)
		}
	}
}

// role draws the part of an opened group that plays one role. A role of one
// workload is drawn as that workload.
func (b *builder) role(g *group, p part, parent int32) {
	if len(p.members) == 1 {
		b.node(p.members[0], parent, b.x.roleName(p.role))
		return
	}
	box := Box{
		ID: g.id + idRole + b.x.roleID(p.role), Kind: KindRole, Name: b.x.roleName(p.role),
		Parent: parent, Nodes: len(p.members), Opens: true, Infra: g.infra,
	}
	for _, n := range p.members {
		box.Priority = max(box.Priority, b.x.priority(n))
	}
	box.Open = b.q.Expand[box.ID] && b.left > 0
	self := b.add(box)
	if box.Open {
		b.workloads(p.members, self, box.ID)
		return
	}
	b.assign(p.members, self)
}

// workloads draws members one by one, as many as perRole and the budget allow.
func (b *builder) workloads(members []int32, parent int32, id string) {
	room := min(perRole, max(b.left, 1))
	if len(members) <= room {
		room = len(members)
	} else {
		room--
	}
	b.left -= room
	for _, n := range members[:room] {
		b.node(n, parent, "")
	}
	if rest := members[room:]; len(rest) > 0 {
		more := b.add(Box{ID: idMore + id, Kind: KindMore, Name: "more", Parent: parent, Nodes: len(rest)})
		b.assign(rest, more)
	}
}

func (b *builder) node(n int32, parent int32, note string) {
	node := &b.x.Map.Graph.Nodes[n]
	box := Box{
		ID: idNode + node.ID, Kind: kindOf(node), Name: nameOf(node), Note: note,
		Parent: parent, Nodes: 1, Priority: b.x.priority(n),
	}
	if f := b.x.finding[n]; f >= 0 {
		box.Infra = b.x.Map.Infrastructure[f].Kind
	}
	if node.Scope != 0 && len(node.Addrs) > 0 { // the same address may stand elsewhere too
		box.Note = node.Addrs[0].String() + " in " + node.Scope.String()
	} else if note == "" && len(node.Addrs) > 0 && node.Addrs[0].String() != box.Name {
		box.Note = node.Addrs[0].String()
	}
	b.at[n] = b.add(box)
}

func (b *builder) assign(members []int32, box int32) {
	for _, n := range members {
		b.at[n] = box
	}
}

// countReview adds up the label proposals waiting in each drawn box and the
// boxes around it.
func (b *builder) countReview() {
	for _, p := range b.x.Map.Proposals {
		for box := b.at[p.Node]; box >= 0; box = b.boxes[box].Parent {
			b.boxes[box].Review++
		}
	}
}

func (b *builder) count(v *View) {
	m := b.x.Map
	v.Count.Nodes, v.Count.Deps = len(m.Graph.Nodes), len(m.Graph.Deps)
	v.Count.Crowded = b.crowd
	for i := range m.Applications {
		if m.Applications[i].Infrastructure == "" {
			v.Count.Applications++
		}
	}
	for i := range m.Graph.Nodes {
		if m.Graph.Nodes[i].Inside() {
			v.Count.Inside++
		}
	}
	for i := range v.Boxes {
		if !v.Boxes[i].Open {
			v.Count.Shown++
		}
	}
}

// labelKeys lists the keys that some node has, in canonical order.
func (x *Index) labelKeys() []string {
	all := topology.Labels{}
	for n := range x.Map.Graph.Nodes {
		for k := range x.labels(int32(n)) {
			if _, ok := all[k]; !ok {
				all[k] = ""
			}
		}
	}
	return all.Keys()
}
