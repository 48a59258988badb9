package mapper

import (
	"cmp"
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

const topologyInternet = topology.NodeInternet

// tie is one role's dependency on one service of another role.
type tie struct {
	client, server int32
	service        flow.Service
	strength       float64 // how much of both roles takes part, and how regularly, 0..1
	flows          uint64
}

// findApplications partitions the graph of roles. Infrastructure, passing
// contacts, the outside and people's machines are set aside first; people's
// machines become applications of their own, one per environment.
func (w *work) findApplications() {
	ties := w.ties()
	w.findPeople(ties)
	w.setFindings(append(w.m.Infrastructure, w.servingPeople(ties)...))
	aside := slices.Clone(w.people)
	for i, r := range w.role {
		if r >= 0 && w.infra[i] >= 0 {
			aside[r] = true
		}
	}
	ties = slices.DeleteFunc(ties, func(t tie) bool { return aside[t.client] || aside[t.server] })
	part, _ := modules(newWeighted(w.roles, w.affinities(ties)))
	linked := make([]bool, w.roles)
	for _, t := range ties {
		linked[t.client], linked[t.server] = true, true
	}
	w.app = make([]int32, w.roles)
	id := map[int32]int32{}
	first := map[string]int32{}
	env := w.roleEnvs()
	for r := range w.app {
		w.app[r] = -1
		group := part[r]
		if w.people[r] {
			if _, ok := first[env[r]]; !ok {
				first[env[r]] = group
			}
			group = first[env[r]]
		} else if !linked[r] {
			continue
		}
		if _, ok := id[group]; !ok {
			id[group] = int32(len(id))
		}
		w.app[r] = id[group]
	}
	w.apps = len(id)
}

// ties sums dependencies up to roles. The strength of a tie is the geometric mean
// of the shares of both roles' members that take part, so that one terminal
// talking to the wrong server does not tie all terminals to it.
func (w *work) ties() []tie {
	type use struct {
		tie
		cNode, sNode int32
		days         uint32
	}
	var uses []use
	longest := uint32(1)
	for i := range w.deps {
		d := &w.deps[i]
		c, s := w.role[d.Client], w.role[d.Server]
		if c < 0 || s < 0 || c == s || w.infra[d.Client] >= 0 || w.infra[d.Server] >= 0 || w.passing(int32(i)) {
			continue
		}
		uses = append(uses, use{tie{client: c, server: s, service: w.service[i], flows: d.Flows}, d.Client, d.Server, d.Days})
		longest = max(longest, d.Days)
	}
	byTie := func(a, b use) int {
		return cmp.Or(cmp.Compare(a.client, b.client), cmp.Compare(a.server, b.server), a.service.Compare(b.service))
	}
	slices.SortFunc(uses, func(a, b use) int {
		return cmp.Or(byTie(a, b), cmp.Compare(a.cNode, b.cNode), cmp.Compare(a.sNode, b.sNode))
	})
	size := w.roleSizes()
	var out []tie
	for i := 0; i < len(uses); {
		clients, servers, days := 0, map[int32]bool{}, uint32(0)
		t := uses[i].tie
		t.flows = 0
		j := i
		for ; j < len(uses) && byTie(uses[i], uses[j]) == 0; j++ {
			if j == i || uses[j].cNode != uses[j-1].cNode {
				clients++
			}
			servers[uses[j].sNode] = true
			days = max(days, uses[j].days)
			t.flows += uses[j].flows
		}
		t.strength = regularity(days, longest) * math.Sqrt(float64(clients)/float64(size[t.client])*float64(len(servers))/float64(size[t.server]))
		out = append(out, t)
		i = j
	}
	return out
}

// regularity discounts what happens on few of the days watched: the root of the
// share, so that a month-end job still counts.
func regularity(days, longest uint32) float64 {
	return math.Sqrt(float64(max(days, 1)) / float64(longest))
}

func (w *work) roleSizes() []int {
	size := make([]int, w.roles)
	for _, r := range w.role {
		if r >= 0 {
			size[r]++
		}
	}
	return size
}

// affinities weighs ties by how much each side depends on the other: the share of
// what the client role uses plus the share of what the server role serves. A
// database that only one role uses belongs to that role; a service that twenty
// use belongs a little to each.
func (w *work) affinities(ties []tie) []link {
	used, served := make([]float64, w.roles), make([]float64, w.roles)
	for _, t := range ties {
		used[t.client] += t.strength
		served[t.server] += t.strength
	}
	env, kin := w.roleEnvs(), w.newKinship()
	var links []link
	for _, t := range ties {
		if a, b := env[t.client], env[t.server]; a != "" && b != "" && a != b {
			continue // environments are kept apart whatever crosses between them
		}
		weight := t.strength/used[t.client] + t.strength/served[t.server]
		links = append(links, link{t.client, t.server, weight * kin.factor(t.client, t.server)})
	}
	return links
}

// env is what is known of a node's environment: its label, else its name's word.
func (w *work) env(i int32) string {
	return cmp.Or(w.nodes[i].Labels[topology.LabelEnv], w.names[i].env)
}

func (w *work) roleEnvs() []string {
	env := make([]string, w.roles)
	for i, r := range w.role {
		if r >= 0 && env[r] == "" {
			env[r] = w.env(int32(i))
		}
	}
	return env
}
