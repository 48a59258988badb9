package mapper

import (
	"slices"

	"github.com/bulkhead/bulkhead/topology"
)

// Some machines of people belong to the place they stand at: a nurse's station uses
// many applications and is still part of the ward whose hub it sits beside. A home
// is a role of three or more servers, each used from its own network.

// rolePair is a people's role and a role of servers it uses.
type rolePair struct{ client, server int32 }

// homes finds the home of people's roles, most of whose machines stand beside a
// server of it; -1 for none.
func (w *work) homes() []int32 {
	beside := w.beside()
	home, most := make([]int32, w.roles), make([]int, w.roles)
	for r := range home {
		home[r] = -1
	}
	size := w.roleSizes()
	for p, nodes := range beside {
		n := len(nodes)
		if 2*n > size[p.client] && (n > most[p.client] || n == most[p.client] && p.server < home[p.client]) {
			home[p.client], most[p.client] = p.server, n
		}
	}
	return home
}

// beside lists, per people's role and role of servers, the machines that use a
// server on their own network, where nearly all use of those servers is of that
// kind.
func (w *work) beside() map[rolePair]map[int32]bool {
	near, all := map[rolePair]int{}, map[rolePair]int{}
	nodes := map[rolePair]map[int32]bool{}
	for i := range w.deps {
		d := &w.deps[i]
		p := rolePair{w.role[d.Client], w.role[d.Server]}
		if p.client < 0 || p.server < 0 || p.client == p.server || !w.people[p.client] || w.people[p.server] || w.infra[d.Server] >= 0 {
			continue
		}
		all[p]++
		if neighbours(&w.nodes[d.Client], &w.nodes[d.Server]) {
			near[p]++
			if nodes[p] == nil {
				nodes[p] = map[int32]bool{}
			}
			nodes[p][d.Client] = true
		}
	}
	size := w.roleSizes()
	for p := range nodes {
		if size[p.server] < 3 || 5*near[p] < 4*all[p] {
			delete(nodes, p)
		}
	}
	return nodes
}

// splitByHome takes people's roles apart of which some machines have a home and
// others have none: people who sit at desks and people who work on the wards use
// the same applications. It reports whether it did.
func (w *work) splitByHome() bool {
	size, roles := w.roleSizes(), w.roles
	beside := w.beside()
	for r := range int32(roles) {
		if !w.people[r] {
			continue
		}
		var at map[int32]bool
		home := int32(-1)
		for p, nodes := range beside {
			if p.client == r && (len(nodes) > len(at) || len(nodes) == len(at) && p.server < home) {
				at, home = nodes, p.server
			}
		}
		if len(at) < minPeople || size[r]-len(at) < minPeople {
			continue
		}
		for i := range at {
			w.role[i] = int32(w.roles)
		}
		w.people = append(w.people, true)
		w.roles++
	}
	return w.roles > roles
}

// neighbours reports two nodes on one network: the same /24, or /64 of IPv6, of one
// address space.
func neighbours(a, b *topology.Node) bool {
	if a.Scope != b.Scope {
		return false
	}
	for _, x := range a.Addrs {
		bits := 64
		if x.Is4() {
			bits = 24
		}
		p, err := x.Prefix(bits)
		if err == nil && slices.ContainsFunc(b.Addrs, p.Contains) {
			return true
		}
	}
	return false
}
