package view

import (
	"cmp"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// drawLinks is how many links a drawing has at most, and matrixLinks how many cells
// a matrix; the busiest stay.
const (
	drawLinks   = 1500
	matrixLinks = 20_000
)

// bundle is a link while it is being added up.
type bundle struct {
	Link
	uses []ServiceUse // sorted by nothing; few
}

// links adds up dependencies between the boxes that stand for their ends.
func (b *builder) links(v *View) {
	at := map[[2]int32]int{}
	var all []bundle
	for i := range b.x.Map.Graph.Deps {
		d := &b.x.Map.Graph.Deps[i]
		fresh := b.q.NewSince > 0 && d.First >= b.q.NewSince
		blocked := b.q.Verdicts != nil && b.q.Verdicts[i] > policy.Untouched
		v.Count.Flows += d.Flows
		if blocked {
			v.Count.Blocked++
		}
		if fresh {
			v.Count.New++
		}
		from, to := b.at[d.Client], b.at[d.Server]
		if from < 0 || to < 0 {
			continue
		}
		if from == to {
			b.boxes[from].Self += d.Flows
			if fresh {
				b.boxes[from].New++
			}
			continue
		}
		if (!blocked || b.scanner(from)) && (b.folded(from) || b.folded(to)) {
			v.Count.Folded++
			continue
		}
		key := [2]int32{from, to}
		k, ok := at[key]
		if !ok {
			k = len(all)
			at[key] = k
			all = append(all, bundle{Link: Link{From: from, To: to, Confidence: 100}})
		}
		all[k].add(d, fresh)
		if blocked {
			all[k].Blocked++
		}
	}
	v.Count.Links = len(all)
	slices.SortFunc(all, func(p, q bundle) int {
		return cmp.Or(cmp.Compare(p.Flows, q.Flows), cmp.Compare(p.From, q.From), cmp.Compare(p.To, q.To))
	})
	most := drawLinks
	if b.q.Matrix {
		most = matrixLinks
	}
	if len(all) > most {
		all = all[len(all)-most:]
		v.Count.Crowded = true
	}
	v.Links = make([]Link, len(all))
	for i := range all {
		v.Links[i] = all[i].finish()
	}
}

// folded reports whether links of a box are left out because it is, or is in,
// folded infrastructure.
func (b *builder) folded(box int32) bool {
	if b.q.Infra != InfraFold || b.q.Focus != "" {
		return false
	}
	for b.boxes[box].Parent >= 0 {
		box = b.boxes[box].Parent
	}
	return b.boxes[box].Zone == zoneInfra && !b.boxes[box].Open
}

// scanner reports whether a box is a scanner: what those try is blocked nearly
// everywhere, and drawing it would hide the rest.
func (b *builder) scanner(box int32) bool { return b.boxes[box].Infra == "scanner" }

func (l *bundle) add(d *topology.Dependency, fresh bool) {
	l.Deps++
	l.Flows += d.Flows
	l.Bytes += d.Bytes
	l.Last = max(l.Last, d.Last)
	l.Confidence = min(l.Confidence, d.Confidence)
	if fresh {
		l.New++
	}
	for i := range l.uses {
		if l.uses[i].Service == d.Service {
			l.uses[i].Flows += d.Flows
			return
		}
	}
	l.uses = append(l.uses, ServiceUse{d.Service, d.Flows})
}

func (l *bundle) finish() Link {
	slices.SortFunc(l.uses, byUse)
	l.Kinds = len(l.uses)
	l.Services = l.uses[:min(len(l.uses), 3):min(len(l.uses), 3)]
	return l.Link
}

// byUse sorts the most used service first.
func byUse(a, b ServiceUse) int {
	return cmp.Or(cmp.Compare(b.Flows, a.Flows), a.Service.Compare(b.Service))
}

// focus resolves q.Focus: it returns which nodes to keep (nil: all) and opens the
// boxes on the way to a single node, so that it can be seen.
func (x *Index) focus(q *Query) []bool {
	if q.Focus == "" {
		return nil
	}
	centre := x.Members(q.Focus, q.Group)
	if len(centre) == 0 {
		return nil
	}
	keep := make([]bool, len(x.Map.Graph.Nodes))
	for _, n := range centre {
		keep[n] = true
		for _, d := range x.out(n) {
			keep[d.Server] = true
		}
		for _, i := range x.in(n) {
			keep[x.Map.Graph.Deps[i].Client] = true
		}
	}
	open := map[string]bool{}
	for id := range q.Expand {
		open[id] = true
	}
	for _, id := range x.Path(centre[0], q.Group) {
		if id != q.Focus {
			open[id] = true
		}
	}
	q.Expand = open
	if q.Infra == InfraFold {
		q.Infra = InfraShow
	}
	return keep
}
