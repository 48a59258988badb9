package view

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// foldAlike is how many top-level boxes a view may have before those that look
// the same from outside are drawn as one.
const foldAlike = 48

// leastAlike is how many must look the same to be worth folding.
const leastAlike = 4

const idAlike = "alike:"

// alike is a class of groups that use, and are used by, exactly the same other
// groups of the same environment, shared infrastructure left aside: structural
// equivalence, after Lorrain and White, "Structural equivalence of individuals in
// social networks", J. Math. Sociology 1, 1971.
type alike struct {
	id   string
	note string // "used by Workstations"
	ids  []string
}

// classes returns the classes of a grouping by the id of each group in one. They
// depend on the map and the label keys only, never on what a view leaves out, so
// that a class keeps its id from view to view.
func (x *Index) classes(keys []string) map[string]*alike {
	name := strings.Join(keys, ",")
	x.mu.Lock()
	defer x.mu.Unlock()
	if c, ok := x.alike[name]; ok {
		return c
	}
	g := x.groupNodes(Query{Group: keys, Infra: InfraHide}, nil)
	c := classify(g, x.Map.Graph.Deps)
	if x.alike == nil {
		x.alike = map[string]map[string]*alike{}
	}
	x.alike[name] = c
	return c
}

// signature is what a group looks like from outside.
type signature struct{ uses, usedBy []int32 }

func classify(g *grouping, deps []topology.Dependency) map[string]*alike {
	sigs := make([]signature, len(g.groups))
	seen := map[[2]int32]bool{}
	for i := range deps {
		from, to := g.of[deps[i].Client], g.of[deps[i].Server]
		if key := [2]int32{from, to}; from >= 0 && to >= 0 && from != to && !seen[key] {
			seen[key] = true
			sigs[from].uses = append(sigs[from].uses, to)
			sigs[to].usedBy = append(sigs[to].usedBy, from)
		}
	}
	byID := map[string]*alike{}
	for i := range g.groups {
		gr := &g.groups[i]
		if gr.kind != KindApplication && gr.kind != KindGroup || gr.priority == topology.PriorityCritical {
			continue
		}
		slices.Sort(sigs[i].uses)
		slices.Sort(sigs[i].usedBy)
		id := sigs[i].id(g, gr.zone)
		if byID[id] == nil {
			byID[id] = &alike{id: id, note: sigs[i].words(g)}
		}
		byID[id].ids = append(byID[id].ids, gr.id)
	}
	out := map[string]*alike{}
	for _, a := range byID {
		if len(a.ids) < leastAlike {
			continue
		}
		for _, id := range a.ids {
			out[id] = a
		}
	}
	return out
}

// id hashes the names of the neighbours, which stay from map to map where numbers
// do not.
func (s *signature) id(g *grouping, zone string) string {
	h := fnv.New64a()
	put := func(text string) { _, _ = h.Write([]byte(text + "\x00")) } // a hash never fails
	put(zone)
	for _, n := range s.uses {
		put(g.groups[n].id)
	}
	put("<")
	for _, n := range s.usedBy {
		put(g.groups[n].id)
	}
	return idAlike + strconv.FormatUint(h.Sum64(), 36)
}

func (s *signature) words(g *grouping) string {
	name := func(verb string, list []int32) string {
		switch len(list) {
		case 0:
			return ""
		case 1:
			return verb + " " + g.groups[list[0]].name
		}
		return verb + " " + strconv.Itoa(len(list)) + " groups"
	}
	parts := slices.DeleteFunc([]string{name("used by", s.usedBy), name("uses", s.uses)}, func(p string) bool { return p == "" })
	if len(parts) == 0 {
		return "use shared infrastructure only"
	}
	return strings.Join(parts, ", ")
}

// unit is what the top level is made of: one group, or a class of them.
type unit struct {
	groups []*group
	class  *alike // nil for a single group
}

// units folds groups that look the same when there are too many. A group that is
// open, or whose class is, is drawn by itself.
func (b *builder) units(g *grouping) []unit {
	var out []unit
	var class map[string]*alike
	if len(g.groups) > foldAlike && !b.q.Matrix {
		class = b.x.classes(b.q.Group)
	}
	at := map[*alike]int{}
	for i := range g.groups {
		gr := &g.groups[i]
		c := class[gr.id]
		if c == nil || b.q.Expand[gr.id] && !b.q.Expand[c.id] {
			out = append(out, unit{groups: []*group{gr}})
			continue
		}
		k, ok := at[c]
		if !ok {
			k = len(out)
			at[c] = k
			out = append(out, unit{class: c})
		}
		out[k].groups = append(out[k].groups, gr)
	}
	for i := range out {
		if len(out[i].groups) == 1 {
			out[i].class = nil
		}
	}
	return out
}

// alike draws a class: one box, with its groups inside when it is open.
func (b *builder) alike(u unit) {
	first := u.groups[0]
	box := Box{
		ID: u.class.id, Kind: KindAlike, Name: strconv.Itoa(len(u.groups)) + " alike", Note: u.class.note,
		Parent: -1, Zone: first.zone, Env: first.env, Opens: true,
	}
	for _, gr := range u.groups {
		box.Nodes += len(gr.members)
		box.Priority = max(box.Priority, gr.priority)
		box.Parts = append(box.Parts, Part{Name: gr.name, Nodes: len(gr.members)})
	}
	slices.SortStableFunc(box.Parts, func(p, q Part) int { return cmp.Compare(q.Nodes, p.Nodes) })
	box.Parts = box.Parts[:min(len(box.Parts), 12)]
	box.Open = b.q.Expand[u.class.id] && b.left >= len(u.groups)
	self := b.add(box)
	if box.Open {
		b.left -= len(u.groups) - 1
		slices.SortStableFunc(u.groups, func(p, q *group) int { return cmp.Compare(p.name, q.name) })
		for _, gr := range u.groups {
			b.group(gr, self)
		}
		return
	}
	for _, gr := range u.groups {
		b.assign(gr.members, self)
	}
}
