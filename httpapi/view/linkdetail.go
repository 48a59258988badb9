package view

import (
	"cmp"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// LinkDetail is the panel of one link: what one box uses of another.
type LinkDetail struct {
	From     Ref            `json:"from"` // of a box with many nodes only ID, Name and Kind
	To       Ref            `json:"to"`
	Services []ServiceSum   `json:"services"` // most used first
	Deps     []DepRow       `json:"dependencies"`
	Total    int            `json:"total"` // dependencies in all; Deps has at most 100
	Stats    flow.EdgeStats `json:"stats"`
}

// ServiceSum is all use of one service within a link.
type ServiceSum struct {
	Service flow.Service `json:"service"`
	Clients int          `json:"clients"`
	Servers int          `json:"servers"`
	flow.EdgeStats
}

// DepRow is one dependency with its ends named.
type DepRow struct {
	Client  Ref          `json:"client"`
	Server  Ref          `json:"server"`
	Service flow.Service `json:"service"`
	flow.EdgeStats
	Verdict *policy.Verdict `json:"verdict,omitempty"` // under the set asked about
}

// Row names the ends of d.
func (x *Index) Row(d *topology.Dependency) DepRow {
	return DepRow{Client: x.Ref(d.Client), Server: x.Ref(d.Server), Service: d.Service, EdgeStats: d.EdgeStats}
}

// Link describes what the box from uses of the box to; false when it uses
// nothing. judge, which may be nil, gives the verdict on a dependency.
func (x *Index) Link(from, to string, keys []string, judge func(*topology.Dependency) policy.Verdict) (*LinkDetail, bool) {
	clients, servers := x.Members(from, keys), x.Members(to, keys)
	in := make(map[int32]bool, len(servers))
	for _, n := range servers {
		in[n] = true
	}
	var deps []*topology.Dependency
	for _, n := range clients {
		out := x.out(n)
		for i := range out {
			if in[out[i].Server] {
				deps = append(deps, &out[i])
			}
		}
	}
	if len(deps) == 0 {
		return nil, false
	}
	slices.SortStableFunc(deps, func(a, b *topology.Dependency) int { return cmp.Compare(b.Flows, a.Flows) })
	d := &LinkDetail{From: x.boxRef(from, clients, keys), To: x.boxRef(to, servers, keys), Total: len(deps)}
	for _, dep := range deps {
		d.Stats.Merge(dep.EdgeStats)
	}
	for _, dep := range deps[:min(len(deps), panelDeps)] {
		row := x.Row(dep)
		if judge != nil {
			v := judge(dep)
			row.Verdict = &v
		}
		d.Deps = append(d.Deps, row)
	}
	d.Services = sumServices(deps)
	return d, true
}

func (x *Index) boxRef(id string, members []int32, keys []string) Ref {
	if len(members) == 1 {
		r := x.Ref(members[0])
		r.ID = id
		return r
	}
	d := Detail{ID: id}
	d.describe(x, members, keys)
	return Ref{ID: id, Name: d.Name, Kind: d.Kind, Env: x.groupOf(members[0], keys).env}
}

func sumServices(deps []*topology.Dependency) []ServiceSum {
	type ends struct{ clients, servers map[int32]bool }
	at := map[flow.Service]int{}
	var seen []ends
	out := []ServiceSum{}
	for _, d := range deps {
		i, ok := at[d.Service]
		if !ok {
			i = len(out)
			at[d.Service] = i
			out = append(out, ServiceSum{Service: d.Service})
			seen = append(seen, ends{map[int32]bool{}, map[int32]bool{}})
		}
		out[i].Merge(d.EdgeStats)
		seen[i].clients[d.Client], seen[i].servers[d.Server] = true, true
	}
	for i := range out {
		out[i].Clients, out[i].Servers = len(seen[i].clients), len(seen[i].servers)
	}
	slices.SortFunc(out, func(a, b ServiceSum) int {
		return cmp.Or(cmp.Compare(b.Flows, a.Flows), a.Service.Compare(b.Service))
	})
	return out[:min(len(out), panelDeps)]
}
