package view

import (
	"net/url"
	"sort"
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// Prefixes of box ids. A role box's id is its parent's followed by "/role:ID", so
// that one role split by a grouping has several boxes.
const (
	idApp       = "app:"
	idGroup     = "group:"
	idInfra     = "infra:"
	idUngrouped = "none:"
	idNode      = "node:"
	idDomains   = "domains"
	idMore      = "more:"
	idRole      = "/role:"
)

// The zones that are no environment.
const (
	zoneOutside = "outside"
	zoneInfra   = "infrastructure"
	zoneEnv     = "env:"
)

// domainNode begins the ids of nodes that stand for a domain name outside.
const domainNode = "domain:"

// group is a top-level box before it is drawn: which nodes it holds and what it
// says of itself.
type group struct {
	id, name, zone, env, infra string
	kind                       Kind
	priority                   topology.Priority
	members                    []int32
	roles                      []part // of members, biggest first; nil until asked for
}

// part is the members of a group that play one role (-1: none).
type part struct {
	role    int32
	members []int32
}

// grouping assigns every node of the map to one group.
type grouping struct {
	groups []group
	of     []int32 // per node: index into groups, -1 when not drawn
}

// groupNodes sorts the nodes that keep lets through into top-level groups.
func (x *Index) groupNodes(q Query, keep []bool) *grouping {
	g := &grouping{of: make([]int32, len(x.Map.Graph.Nodes))}
	at := map[string]int32{}
	for n := range x.Map.Graph.Nodes {
		g.of[n] = -1
		if keep != nil && !keep[n] {
			continue
		}
		probe := x.groupOf(int32(n), q.Group)
		if probe.zone == zoneInfra && q.Infra == InfraHide {
			continue
		}
		i, ok := at[probe.id]
		if !ok {
			i = int32(len(g.groups))
			at[probe.id] = i
			g.groups = append(g.groups, probe)
		}
		g.of[n] = i
		g.groups[i].members = append(g.groups[i].members, int32(n))
		g.groups[i].priority = max(g.groups[i].priority, x.priority(int32(n)))
	}
	g.sort()
	return g
}

// sort puts groups in a stable, sensible order: by zone, priority, size, name.
func (g *grouping) sort() {
	order := make([]int32, len(g.groups))
	for i := range order {
		order[i] = int32(i)
	}
	sort.Slice(order, func(i, j int) bool {
		a, b := &g.groups[order[i]], &g.groups[order[j]]
		switch {
		case a.zone != b.zone:
			return zoneRank(a.zone) < zoneRank(b.zone) || (zoneRank(a.zone) == zoneRank(b.zone) && a.zone < b.zone)
		case a.priority != b.priority:
			return a.priority > b.priority
		case len(a.members) != len(b.members):
			return len(a.members) > len(b.members)
		}
		return a.id < b.id
	})
	now := make([]int32, len(order))
	sorted := make([]group, len(order))
	for to, from := range order {
		now[from], sorted[to] = int32(to), g.groups[from]
	}
	g.groups = sorted
	for n, i := range g.of {
		if i >= 0 {
			g.of[n] = now[i]
		}
	}
}

// groupOf says in which group node n is; only the group's identity is filled in.
func (x *Index) groupOf(n int32, keys []string) group {
	node := &x.Map.Graph.Nodes[n]
	if strings.HasPrefix(node.ID, domainNode) {
		return group{id: idDomains, name: "names outside", kind: KindDomains, zone: zoneOutside}
	}
	if !node.Inside() {
		return group{id: idNode + node.ID, name: nameOf(node), kind: kindOf(node), zone: zoneOutside}
	}
	if f := x.finding[n]; f >= 0 {
		kind := x.Map.Infrastructure[f].Kind
		return group{id: idInfra + escape(kind), name: kind, kind: KindInfrastructure, zone: zoneInfra, infra: kind}
	}
	labels := x.labels(n)
	if len(keys) > 0 {
		return labelGroup(labels, keys)
	}
	if a := x.app(n); a >= 0 {
		app := &x.Map.Applications[a]
		return group{id: idApp + escape(app.ID), name: app.Name, kind: KindApplication, zone: zoneEnv + app.Env, env: app.Env, priority: app.Priority}
	}
	env := labels[topology.LabelEnv]
	return group{id: idUngrouped + escape(env), name: "not grouped", kind: KindUngrouped, zone: zoneEnv + env, env: env}
}

// escape keeps "/" and "," out of parts of ids: they separate parts, and label
// values may come from the wire.
func escape(part string) string { return url.PathEscape(part) }

// labelGroup is the group of nodes that have the same values for keys. The
// environment, when grouped by, becomes the zone.
func labelGroup(labels topology.Labels, keys []string) group {
	g := group{kind: KindGroup, zone: zoneEnv}
	var id, name []string
	for _, k := range keys {
		v := labels[k]
		id = append(id, k+"="+escape(v))
		if k == topology.LabelEnv {
			g.zone, g.env = zoneEnv+v, v
			if len(keys) > 1 {
				continue
			}
		}
		if v == "" {
			v = "no " + k
		}
		name = append(name, v)
	}
	g.id, g.name = idGroup+strings.Join(id, ","), strings.Join(name, " · ")
	return g
}

// parts splits a group's members by role, biggest first. Infrastructure is not
// split: its kind says what it does.
func (x *Index) parts(g *group) []part {
	if g.roles != nil {
		return g.roles
	}
	at := map[int32]int{}
	for _, n := range g.members {
		r := x.role(n)
		if g.kind == KindInfrastructure {
			r = -1
		}
		i, ok := at[r]
		if !ok {
			i = len(g.roles)
			at[r] = i
			g.roles = append(g.roles, part{role: r})
		}
		g.roles[i].members = append(g.roles[i].members, n)
	}
	sort.SliceStable(g.roles, func(i, j int) bool { return len(g.roles[i].members) > len(g.roles[j].members) })
	return g.roles
}

func (x *Index) roleName(r int32) string {
	if r < 0 {
		return "other"
	}
	return x.Map.Roles[r].Name
}

func (x *Index) roleID(r int32) string {
	if r < 0 {
		return ""
	}
	return x.Map.Roles[r].ID
}

func nameOf(n *topology.Node) string {
	if n.Name != "" {
		return n.Name
	}
	return n.ID
}

func kindOf(n *topology.Node) Kind {
	switch n.Kind {
	case topology.NodeWorkload:
		return KindWorkload
	case topology.NodeNetwork:
		return KindNetwork
	case topology.NodeInternet:
		return KindInternet
	case topology.NodeMulticast:
		return KindMulticast
	case topology.NodeNAT:
		return KindNAT
	case topology.NodeVIP:
		return KindVIP
	}
	return KindAddress
}

// zoneRank orders zones as a project would: what customers use first.
func zoneRank(zone string) int {
	switch zone {
	case zoneOutside:
		return 0
	case zoneEnv + "prod", zoneEnv + "production":
		return 1
	case zoneEnv + "staging", zoneEnv + "stage", zoneEnv + "test", zoneEnv + "qa", zoneEnv + "uat":
		return 3
	case zoneEnv + "dev", zoneEnv + "development":
		return 4
	case zoneEnv:
		return 5
	case zoneInfra:
		return 9
	}
	return 2
}

var zoneNames = map[string]string{
	zoneOutside: "Outside", zoneInfra: "Shared infrastructure", zoneEnv: "No environment label",
	zoneEnv + "prod": "Production", zoneEnv + "production": "Production",
	zoneEnv + "staging": "Staging", zoneEnv + "stage": "Staging",
	zoneEnv + "dev": "Development", zoneEnv + "development": "Development",
	zoneEnv + "test": "Test", zoneEnv + "qa": "QA", zoneEnv + "uat": "UAT",
}

func zoneName(zone string) string {
	if n, ok := zoneNames[zone]; ok {
		return n
	}
	return strings.TrimPrefix(zone, zoneEnv)
}
