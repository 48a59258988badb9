package view

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Bounds of the panels: what is left out is always counted beside.
const (
	panelMembers    = 200
	panelNeighbours = 60
	panelDeps       = 100
)

// Ref names a node.
type Ref struct {
	ID       string            `json:"id"` // of its box: "node:…"
	Name     string            `json:"name"`
	Kind     Kind              `json:"kind"`
	App      string            `json:"app,omitempty"`
	Role     string            `json:"role,omitempty"`
	Env      string            `json:"env,omitempty"`
	Addrs    []netip.Addr      `json:"addrs,omitempty"` // at most 2
	Scope    flow.Scope        `json:"scope,omitempty"` // address space, where networks overlap
	Priority topology.Priority `json:"priority"`
}

// Ref describes node n in short.
func (x *Index) Ref(n int32) Ref {
	node := &x.Map.Graph.Nodes[n]
	r := Ref{ID: idNode + node.ID, Name: nameOf(node), Kind: kindOf(node), Priority: x.priority(n)}
	r.Addrs, r.Scope = node.Addrs[:min(len(node.Addrs), 2)], node.Scope
	if a := x.app(n); a >= 0 {
		r.App, r.Env = x.Map.Applications[a].Name, x.Map.Applications[a].Env
	}
	if ro := x.role(n); ro >= 0 {
		r.Role = x.Map.Roles[ro].Name
	}
	return r
}

// Detail is the panel of one box.
type Detail struct {
	ID       string            `json:"id"`
	Kind     Kind              `json:"kind"`
	Name     string            `json:"name"`
	Why      string            `json:"why,omitempty"` // why it is a group of its own
	Priority topology.Priority `json:"priority"`
	Nodes    int               `json:"nodes"`
	// Application is the id of the application this is, for decisions about it;
	// Pinned says that a person accepted it as it is.
	Application string             `json:"application,omitempty"`
	Pinned      bool               `json:"pinned,omitempty"`
	Members     []Ref              `json:"members"`            // at most 200
	Findings    []topology.Finding `json:"findings,omitempty"` // at most 5
	Labels      []LabelCount       `json:"labels"`             // over the members
	Proposals   []Proposal         `json:"proposals"`          // at most 200
	Clients     []Neighbour        `json:"clients"`            // who uses it, busiest first
	ClientsAll  int                `json:"clientsTotal"`
	Servers     []Neighbour        `json:"servers"` // what it uses
	ServersAll  int                `json:"serversTotal"`
	Serves      []ServiceUse       `json:"serves"` // what it offers, most used first
	// Of a single node only.
	Addrs []netip.Addr    `json:"addrs,omitempty"`
	Names []string        `json:"names,omitempty"` // seen on the wire
	Given topology.Labels `json:"given,omitempty"` // what the operator said
	Scope flow.Scope      `json:"scope,omitempty"` // address space of Addrs
	// Backends are what stands behind a virtual address.
	Backends []Ref `json:"backends,omitempty"`
}

// LabelCount is how many members have a label.
type LabelCount struct {
	Key      string `json:"key"`
	Value    string `json:"value"`
	Nodes    int    `json:"nodes"`
	Proposed int    `json:"proposed"` // of them by proposal only
}

// Proposal is a topology.Proposal that names its node.
type Proposal struct {
	Node       string  `json:"node"` // topology.Node.ID
	Name       string  `json:"name"`
	Key        string  `json:"key"`
	Value      string  `json:"value"`
	Confidence float64 `json:"confidence"`
	Why        string  `json:"why"`
}

// Neighbour is a top-level box on the other side of some dependencies.
type Neighbour struct {
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	Env      string       `json:"env,omitempty"`
	Kind     Kind         `json:"kind"`
	Flows    uint64       `json:"flows"`
	Deps     int          `json:"dependencies"`
	Services []ServiceUse `json:"services"` // at most 3
}

// Detail describes the box with that id under a grouping; false when there is
// none.
func (x *Index) Detail(id string, keys []string) (*Detail, bool) {
	members := x.Members(id, keys)
	if len(members) == 0 {
		return nil, false
	}
	d := &Detail{ID: id, Nodes: len(members), Members: []Ref{}, Proposals: []Proposal{}}
	d.describe(x, members, keys)
	for _, n := range members {
		d.Priority = max(d.Priority, x.priority(n))
		if len(d.Members) < panelMembers {
			d.Members = append(d.Members, x.Ref(n))
		}
		for _, i := range x.proposals(n) {
			if len(d.Proposals) < panelMembers {
				d.Proposals = append(d.Proposals, x.Proposal(i))
			}
		}
		if f := x.finding[n]; f >= 0 && len(d.Findings) < 5 {
			d.Findings = append(d.Findings, x.Map.Infrastructure[f])
		}
	}
	d.Labels = x.labelCounts(members)
	d.neighbours(x, members, keys)
	return d, true
}

// describe fills in what the box is.
func (d *Detail) describe(x *Index, members []int32, keys []string) {
	n := members[0]
	if len(members) == 1 && d.ID != x.groupOf(n, keys).id {
		d.single(x, n)
		return
	}
	g := x.groupOf(n, keys)
	d.Kind, d.Name, d.Priority = g.kind, g.name, g.priority
	switch {
	case strings.HasPrefix(d.ID, idMore) && !strings.Contains(d.ID, idRole):
		d.Kind, d.Name, d.Why = KindMore, g.name, "all of it, with what is not drawn one by one"
		if d.ID == idMore+g.zone {
			d.Name = zoneName(g.zone)
		}
	case strings.HasPrefix(d.ID, idAlike):
		c := x.classes(keys)[g.id]
		d.Kind, d.Name, d.Why = KindAlike, strconv.Itoa(len(c.ids))+" alike", c.note
	case d.ID != g.id:
		d.Kind = KindRole
		if r := x.role(n); r >= 0 {
			d.Name, d.Why = x.Map.Roles[r].Name, x.Map.Roles[r].Why
		}
	case g.kind == KindApplication:
		app := &x.Map.Applications[x.app(n)]
		d.Why, d.Application, d.Pinned = app.Why, app.ID, app.Pinned
	case g.kind == KindInfrastructure:
		d.Why = x.Map.Infrastructure[x.finding[n]].Why
	case g.kind == KindDomains:
		d.Why = "names that workloads inside looked up and then used"
	case g.zone == zoneOutside:
		d.single(x, n)
	}
}

func (d *Detail) single(x *Index, n int32) {
	node := &x.Map.Graph.Nodes[n]
	d.Kind, d.Name = kindOf(node), nameOf(node)
	d.Addrs, d.Names, d.Given, d.Scope = node.Addrs, node.Names, node.Labels, node.Scope
	for _, id := range node.Backends {
		d.Backends = append(d.Backends, x.RefOf(&topology.Node{ID: id}))
	}
	if f := x.finding[n]; f >= 0 {
		d.Why = x.Map.Infrastructure[f].Why
	} else if r := x.role(n); r >= 0 {
		d.Why = x.Map.Roles[r].Why
	}
}

// Proposal names the node of the i-th proposal of the map.
func (x *Index) Proposal(i int32) Proposal {
	p := &x.Map.Proposals[i]
	node := &x.Map.Graph.Nodes[p.Node]
	return Proposal{node.ID, nameOf(node), p.Key, p.Value, p.Confidence, p.Why}
}

func (x *Index) labelCounts(members []int32) []LabelCount {
	at := map[[2]string]int{}
	out := []LabelCount{}
	for _, n := range members {
		given := x.Map.Graph.Nodes[n].Labels
		for k, v := range x.labels(n) {
			i, ok := at[[2]string{k, v}]
			if !ok {
				i = len(out)
				at[[2]string{k, v}] = i
				out = append(out, LabelCount{Key: k, Value: v})
			}
			out[i].Nodes++
			if given[k] != v {
				out[i].Proposed++
			}
		}
	}
	rank := map[string]int{}
	for i, k := range x.labelKeys() {
		rank[k] = i
	}
	slices.SortFunc(out, func(a, b LabelCount) int {
		return cmp.Or(cmp.Compare(rank[a.Key], rank[b.Key]), cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), 40)]
}

// neighbours adds up who is on the other side of the members' dependencies.
func (d *Detail) neighbours(x *Index, members []int32, keys []string) {
	own := make(map[int32]bool, len(members))
	for _, n := range members {
		own[n] = true
	}
	clients, servers, serves := tally{}, tally{}, tally{}
	for _, n := range members {
		for i := range x.out(n) {
			if dep := &x.out(n)[i]; !own[dep.Server] {
				servers.add(x.groupOf(dep.Server, keys), dep)
			}
		}
		for _, i := range x.in(n) {
			dep := &x.Map.Graph.Deps[i]
			serves.add(group{}, dep)
			if !own[dep.Client] {
				clients.add(x.groupOf(dep.Client, keys), dep)
			}
		}
	}
	d.Clients, d.ClientsAll = clients.top(panelNeighbours)
	d.Servers, d.ServersAll = servers.top(panelNeighbours)
	d.Serves = []ServiceUse{}
	if one := serves[""]; one != nil {
		slices.SortFunc(one.uses, byUse)
		d.Serves = one.uses[:min(len(one.uses), 20)]
	}
}

// tally adds up dependencies by the group on the other side.
type tally map[string]*tallied

type tallied struct {
	Neighbour
	uses []ServiceUse
}

func (t tally) add(g group, d *topology.Dependency) {
	e, ok := t[g.id]
	if !ok {
		e = &tallied{Neighbour: Neighbour{ID: g.id, Name: g.name, Env: g.env, Kind: g.kind}}
		t[g.id] = e
	}
	e.Flows += d.Flows
	e.Deps++
	e.uses = addUse(e.uses, d.Service, d.Flows)
}

func addUse(uses []ServiceUse, s flow.Service, flows uint64) []ServiceUse {
	for i := range uses {
		if uses[i].Service == s {
			uses[i].Flows += flows
			return uses
		}
	}
	return append(uses, ServiceUse{s, flows})
}

func (t tally) top(limit int) ([]Neighbour, int) {
	out := make([]Neighbour, 0, len(t))
	for _, e := range t {
		slices.SortFunc(e.uses, byUse)
		e.Services = e.uses[:min(len(e.uses), 3)]
		out = append(out, e.Neighbour)
	}
	slices.SortFunc(out, func(a, b Neighbour) int {
		return cmp.Or(cmp.Compare(b.Flows, a.Flows), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(len(out), limit)], len(t)
}

// RefOf describes a node that may not be on the map: by id when it is.
func (x *Index) RefOf(node *topology.Node) Ref {
	if n, ok := x.byID[node.ID]; ok {
		return x.Ref(n)
	}
	return Ref{ID: idNode + node.ID, Name: nameOf(node), Kind: kindOf(node), Addrs: node.Addrs[:min(len(node.Addrs), 2)]}
}

// NodeID strips the prefix of a node's box id; other texts stay as they are.
func NodeID(id string) string { return strings.TrimPrefix(id, idNode) }
