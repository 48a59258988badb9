package mapper

import (
	"cmp"
	"slices"

	"github.com/bulkhead/bulkhead/topology"
)

// splitRoles writes roles and applications into the map: groups of one member
// kind become topology.Roles, ordered by application and first member; nodes that
// are infrastructure stand in roles of no application.
func (w *work) splitRoles() {
	members := make([][]int32, w.roles)
	for i, r := range w.role {
		if r >= 0 {
			members[r] = append(members[r], int32(i))
		}
	}
	apps := make([]topology.Application, w.apps)
	for r, a := range w.app {
		if a >= 0 {
			apps[a].Members = append(apps[a].Members, members[r]...)
		}
	}
	appOrder := orderByFirst(apps)
	roleOrder := make([]int32, w.roles)
	for r := range roleOrder {
		roleOrder[r] = int32(r)
		if w.app[r] >= 0 {
			w.app[r] = appOrder[w.app[r]]
		}
	}
	slices.SortFunc(roleOrder, func(x, y int32) int {
		return cmp.Or(cmp.Compare(uint32(w.app[x]), uint32(w.app[y])), cmp.Compare(members[x][0], members[y][0]))
	})
	w.writeGroups(apps, appOrder, members, roleOrder)
}

// orderByFirst sorts the members of each application and returns old → new index
// by first member.
func orderByFirst(apps []topology.Application) []int32 {
	byFirst := make([]int32, len(apps))
	for a := range apps {
		slices.Sort(apps[a].Members)
		byFirst[a] = int32(a)
	}
	slices.SortFunc(byFirst, func(x, y int32) int { return cmp.Compare(apps[x].Members[0], apps[y].Members[0]) })
	order := make([]int32, len(apps))
	for at, a := range byFirst {
		order[a] = int32(at)
	}
	return order
}

func (w *work) writeGroups(apps []topology.Application, appOrder []int32, members [][]int32, roleOrder []int32) {
	m := w.m
	m.Applications = make([]topology.Application, len(apps))
	for old, a := range apps {
		m.Applications[appOrder[old]] = a
	}
	m.RoleOf, m.AppOf = make([]int32, len(w.nodes)), make([]int32, len(w.nodes))
	for i := range w.nodes {
		m.RoleOf[i], m.AppOf[i] = -1, -1
	}
	m.Roles = make([]topology.Role, len(roleOrder))
	for at, r := range roleOrder {
		m.Roles[at] = topology.Role{App: w.app[r], Members: members[r]}
		for _, i := range members[r] {
			m.RoleOf[i], m.AppOf[i] = int32(at), w.app[r]
		}
	}
}
