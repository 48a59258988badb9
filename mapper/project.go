package mapper

import (
	"cmp"
	"slices"

	"github.com/bulkhead/bulkhead/topology"
)

// Project makes the graph of another window and carries ref's roles,
// applications, infrastructure, effective labels and priorities over to it by
// node id, without clustering: a policy written against ref's labels means the
// same in any window. Nodes ref does not know get the inventory's labels only;
// groups none of whose members are in the window are left out.
func Project(ref *topology.Map, in Input, opt Options) (*topology.Map, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	g := buildGraph(&in, opt)
	m := &topology.Map{Since: in.Since, Until: in.Until, Graph: g.graph}
	setWindow(m)
	n := len(m.Graph.Nodes)
	m.RoleOf, m.AppOf = make([]int32, n), make([]int32, n)
	m.Labels, m.Priorities, m.PriorityWhys = make([]topology.Labels, n), make([]topology.Priority, n), make([]string, n)
	p := projection{ref: ref, m: m, roles: map[int32]int32{}, apps: map[int32]int32{}}
	at := indexNodes(&ref.Graph)
	for i := range m.Graph.Nodes {
		m.RoleOf[i], m.AppOf[i] = -1, -1
		if old, ok := at[m.Graph.Nodes[i].ID]; ok {
			p.carry(int32(i), old)
			continue
		}
		m.Labels[i] = m.Graph.Nodes[i].Labels
	}
	p.carryFindings(indexNodes(&m.Graph))
	return m, nil
}

// indexNodes maps node ids to indexes.
func indexNodes(g *topology.Graph) map[string]int32 {
	at := make(map[string]int32, len(g.Nodes))
	for i := range g.Nodes {
		at[g.Nodes[i].ID] = int32(i)
	}
	return at
}

type projection struct {
	ref, m      *topology.Map
	roles, apps map[int32]int32 // ref's index → m's
}

func (p *projection) carry(i, old int32) {
	m := p.m
	m.Labels[i] = p.ref.Labels[old].Merge(m.Graph.Nodes[i].Labels)
	m.Priorities[i] = p.ref.Priorities[old]
	if len(p.ref.PriorityWhys) > int(old) {
		m.PriorityWhys[i] = p.ref.PriorityWhys[old]
	}
	if a := p.ref.AppOf[old]; a >= 0 {
		m.AppOf[i] = p.app(a)
		app := &m.Applications[m.AppOf[i]]
		app.Members = append(app.Members, i)
	}
	if r := p.ref.RoleOf[old]; r >= 0 {
		m.RoleOf[i] = p.role(r)
		role := &m.Roles[m.RoleOf[i]]
		role.Members = append(role.Members, i)
	}
}

func (p *projection) app(old int32) int32 {
	a, ok := p.apps[old]
	if !ok {
		a = int32(len(p.m.Applications))
		p.apps[old] = a
		app := p.ref.Applications[old]
		app.Members = nil
		p.m.Applications = append(p.m.Applications, app)
	}
	return a
}

func (p *projection) role(old int32) int32 {
	r, ok := p.roles[old]
	if !ok {
		r = int32(len(p.m.Roles))
		p.roles[old] = r
		role := p.ref.Roles[old]
		role.Members = nil
		if role.App >= 0 {
			role.App = p.app(role.App)
		}
		p.m.Roles = append(p.m.Roles, role)
	}
	return r
}

func (p *projection) carryFindings(now map[string]int32) {
	node := func(old int32) (int32, bool) {
		i, ok := now[p.ref.Graph.Nodes[old].ID]
		return i, ok
	}
	for _, f := range p.ref.Infrastructure {
		if i, ok := node(f.Node); ok {
			f.Node = i
			p.m.Infrastructure = append(p.m.Infrastructure, f)
		}
	}
	for _, l := range p.ref.Proposals {
		if i, ok := node(l.Node); ok {
			l.Node = i
			p.m.Proposals = append(p.m.Proposals, l)
		}
	}
	slices.SortStableFunc(p.m.Infrastructure, func(a, b topology.Finding) int { return cmp.Compare(a.Node, b.Node) })
	slices.SortStableFunc(p.m.Proposals, func(a, b topology.Proposal) int { return cmp.Compare(a.Node, b.Node) })
}
