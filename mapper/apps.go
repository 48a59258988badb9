package mapper

import (
	"cmp"
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// tie is one role's dependency on one service of another role.
type tie struct {
	client, server int32
	service        flow.Service
	strength       float64 // how much of both roles takes part, and how regularly, 0..1
	flows          uint64
}

// findApplications partitions the graph of roles. Infrastructure, passing
// contacts, the outside and people's machines are set aside first; people's
// machines become applications of their own, one per environment, and so does
// each kind of infrastructure. What the operator labelled stands.
func (w *work) findApplications() {
	ties := w.ties()
	w.findPeople(ties)
	if found := w.servingPeople(ties); len(found) > 0 {
		// What all people share had a say in who is alike: once more without it.
		w.setFindings(append(w.m.Infrastructure, found...))
		w.findRoles()
		ties = w.ties()
		w.findPeople(ties)
	}
	if w.splitByHome() {
		ties = w.ties()
	}
	kind := w.roleKinds()
	ties = slices.DeleteFunc(ties, func(t tie) bool {
		return w.people[t.client] || w.people[t.server] || kind[t.client] != "" || kind[t.server] != ""
	})
	part, _ := modules(newWeighted(w.roles, w.affinities(ties)))
	linked := make([]bool, w.roles)
	for _, t := range ties {
		linked[t.client], linked[t.server] = true, true
	}
	given, env := w.given(), w.roleEnvs()
	adopted := w.adopted(part, given, env, linked)
	home := w.homes()
	w.app = make([]int32, w.roles)
	id := map[appKey]int32{}
	for r := range w.app {
		k := appKey{env: env[r]}
		switch {
		case given[r] != "":
			k = w.givenKey(given[r], env[r])
		case w.people[r] && home[r] >= 0 && linked[home[r]]:
			if k = adopted[part[home[r]]]; k.given == "" {
				k = appKey{module: part[home[r]] + 1}
			}
		case w.people[r]:
			k.special = "people"
		case kind[r] != "":
			k.special = kind[r]
		case linked[r]:
			if k = adopted[part[r]]; k.given == "" {
				k = appKey{module: part[r] + 1}
			}
		default:
			w.app[r] = -1
			continue
		}
		if _, ok := id[k]; !ok {
			id[k] = int32(len(id))
		}
		w.app[r] = id[k]
	}
	w.apps = len(id)
}

// appKey is what makes one application of roles: the operator's word, being of one
// special kind, or the module the map equation put them into.
type appKey struct {
	given, special, env string
	module              int32
}

// givenKey is the application that the operator's word makes: one per environment
// of a label, one of a pin.
func (w *work) givenKey(given, env string) appKey {
	if w.pins[given] {
		env = ""
	}
	return appKey{given: given, env: env}
}

// roleKinds is the kind of infrastructure of roles that are set aside for it.
func (w *work) roleKinds() []string {
	kind := make([]string, w.roles)
	for i, r := range w.role {
		if r >= 0 && w.infra[i] >= 0 {
			kind[r] = w.m.Infrastructure[w.infra[i]].Kind
		}
	}
	return kind
}

// given is the application the operator put each role into.
func (w *work) given() []string {
	out := make([]string, w.roles)
	for i, r := range w.role {
		if r >= 0 && out[r] == "" {
			out[r] = w.givenApp(int32(i))
		}
	}
	return out
}

// adopted is, per module, the labelled application that most of its labelled
// workloads belong to: the unlabelled ones of the module join it.
func (w *work) adopted(part []int32, given, env []string, linked []bool) map[int32]appKey {
	size := w.roleSizes()
	votes := map[int32]map[appKey]int{}
	for r, g := range given {
		if g == "" || !linked[r] {
			continue
		}
		if votes[part[r]] == nil {
			votes[part[r]] = map[appKey]int{}
		}
		votes[part[r]][w.givenKey(g, env[r])] += size[r]
	}
	out := map[int32]appKey{}
	for p, v := range votes {
		var best appKey
		for k, n := range v {
			if n > v[best] || (n == v[best] && (k.given < best.given || (k.given == best.given && k.env < best.env))) {
				best = k
			}
		}
		out[p] = best
	}
	return out
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
	tied := func(i int32) bool {
		d := &w.deps[i]
		c, s := w.role[d.Client], w.role[d.Server]
		return c >= 0 && s >= 0 && c != s && w.infra[d.Client] < 0 && w.infra[d.Server] < 0 && !w.passing(i)
	}
	n := 0
	for i := range w.deps {
		if tied(int32(i)) {
			n++
		}
	}
	uses, longest := make([]use, 0, n), uint32(1)
	for i := range w.deps {
		if !tied(int32(i)) {
			continue
		}
		d := &w.deps[i]
		c, s := w.role[d.Client], w.role[d.Server]
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
	env, given, kin := w.roleEnvs(), w.given(), w.newKinship()
	var links []link
	for _, t := range ties {
		if differ(env[t.client], env[t.server]) {
			continue // environments are kept apart whatever crosses between them
		}
		if differ(given[t.client], given[t.server]) {
			continue
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
