package mapper

import (
	"cmp"

	"github.com/bulkhead/bulkhead/topology"
)

// findRoles splits every class into groups whose members deal with the same
// peers, not only with the same kinds of peers: the web tier of one application,
// not all web tiers. It works bottom up, every node by itself at first, until
// nothing more joins: store servers join because they all report to one
// head-office server, then the terminals join because they all use the store
// servers, which are one group now.
func (w *work) findRoles() {
	g := newGrouping(w)
	g.joinLabelled()
	g.joinVirtual()
	g.joinSharedInfrastructure()
	seen := g.observe()
	g.joinIdle(seen)
	for range maxJoinRounds {
		if g.round(seen) == 0 {
			break
		}
		seen.regroup(g.sets)
	}
	w.role, w.roles = g.sets.number(func(i int32) bool { return w.nodes[i].Inside() })
}

// maxJoinRounds bounds the propagation; each round carries equivalence one hop
// further, and few networks are deeper than that.
const maxJoinRounds = 8

type grouping struct {
	*work
	sets *disjoint
	// What is known of a group, at its root: environment, host name stem, last word
	// of the name (stems and words that several nodes bear), and the application
	// (or pin) and role the operator gave.
	envOf, stemOf, wordOf, appOf, roleOf []string
}

func newGrouping(w *work) *grouping {
	n := len(w.nodes)
	g := &grouping{work: w, sets: newDisjoint(n), envOf: make([]string, n), stemOf: make([]string, n), wordOf: make([]string, n),
		appOf: make([]string, n), roleOf: make([]string, n)}
	stems := w.telling(func(h *hostName) string { return h.stem })
	words := w.telling((*hostName).word)
	for i := range w.nodes {
		g.envOf[i] = w.env(int32(i))
		g.appOf[i], g.roleOf[i] = w.givenApp(int32(i)), cmp.Or(w.nodes[i].Labels[topology.LabelRole], w.in.Decisions.RolePins[w.nodes[i].ID])
		if s := w.names[i].stem; stems[s] {
			g.stemOf[i] = s
		}
		if s := w.names[i].word(); words[s] {
			g.wordOf[i] = s
		}
	}
	return g
}

// telling are the parts of host names that several nodes bear and that say
// something: one borne by nodes of half of all classes ("host-#") does not.
func (w *work) telling(part func(*hostName) string) map[string]bool {
	bearers, classes, telling := map[string]int{}, map[string]map[int32]bool{}, map[string]bool{}
	inside := map[int32]bool{}
	for i := range w.names {
		if w.nodes[i].Inside() {
			inside[w.class[i]] = true
		}
		s := part(&w.names[i])
		if s == "" {
			continue
		}
		bearers[s]++
		if classes[s] == nil {
			classes[s] = map[int32]bool{}
		}
		classes[s][w.class[i]] = true
	}
	for s, n := range bearers {
		if n > 1 && (len(classes[s]) <= 3 || 2*len(classes[s]) < len(inside)) {
			telling[s] = true
		}
	}
	return telling
}

// givenApp is the application the operator put node i into, by label or by pin.
func (w *work) givenApp(i int32) string {
	return cmp.Or(w.nodes[i].Labels[topology.LabelApp], w.in.Decisions.Pins[w.nodes[i].ID])
}

// pin is the identity of the application that node i was accepted as a member of,
// unless the operator's label says otherwise.
func (w *work) pin(i int32) string {
	if w.nodes[i].Labels[topology.LabelApp] != "" {
		return ""
	}
	return w.in.Decisions.Pins[w.nodes[i].ID]
}

// rolePin is the same for roles.
func (w *work) rolePin(i int32) string {
	if w.nodes[i].Labels[topology.LabelRole] != "" {
		return ""
	}
	return w.in.Decisions.RolePins[w.nodes[i].ID]
}

// joinLabelled joins nodes that the operator gave the same application, role and
// environment.
func (g *grouping) joinLabelled() {
	first := map[[3]string]int32{}
	for i := range g.nodes {
		k := [3]string{g.appOf[i], g.roleOf[i], g.envOf[i]}
		if !g.nodes[i].Inside() || k[0] == "" || k[1] == "" {
			continue
		}
		if j, ok := first[k]; ok {
			g.join(j, int32(i))
		} else {
			first[k] = int32(i)
		}
	}
}

// joinVirtual puts a virtual address together with the workloads behind it: they
// are equals by what the operator said, and who uses the address uses them. Labels
// that say otherwise stand.
func (g *grouping) joinVirtual() {
	for i := range g.nodes {
		first := int32(i)
		for _, id := range g.nodes[i].Backends {
			j, ok := g.nodeAt(id)
			if !ok {
				continue
			}
			a, b := g.sets.find(first), g.sets.find(j)
			if a != b && !differ(g.appOf[a], g.appOf[b]) && !differ(g.roleOf[a], g.roleOf[b]) {
				g.unite(a, b)
			}
		}
	}
}

// joinSharedInfrastructure puts members of one class that are the same kind of
// shared infrastructure together: two directory servers need not share clients
// in order to be one role.
func (g *grouping) joinSharedInfrastructure() {
	type kindOf struct {
		kind  string
		class int32
		env   string
	}
	first := map[kindOf]int32{}
	for i := range g.nodes {
		if g.infra[i] < 0 || !g.nodes[i].Inside() {
			continue
		}
		k := kindOf{g.m.Infrastructure[g.infra[i]].Kind, g.class[i], g.env(int32(i))}
		if j, ok := first[k]; ok {
			g.join(j, int32(i))
		} else {
			first[k] = int32(i)
		}
	}
}

// joinIdle joins the nodes of a class that deal with nothing but infrastructure:
// nothing tells them apart, unless their host names do. For others a like name
// only lowers the bar (see alike), since "hr1-web-1" and "hr2-web-1" may be two
// systems.
func (g *grouping) joinIdle(seen *doings) {
	type idle struct {
		class           int32
		stem, word, env string
	}
	first := map[idle]int32{}
	for i := range g.nodes {
		if !g.nodes[i].Inside() || g.infra[i] >= 0 || seen.start[i] >= 0 {
			continue
		}
		k := idle{g.class[i], g.stemOf[i], g.wordOf[i], g.envOf[i]}
		if j, ok := first[k]; ok {
			g.join(j, int32(i))
		} else {
			first[k] = int32(i)
		}
	}
}

// join unites the groups of i and j unless what is known of them forbids it.
func (g *grouping) join(i, j int32) bool {
	i, j = g.sets.find(i), g.sets.find(j)
	if i != j && g.appOf[i] != "" && g.roleOf[i] != "" && g.appOf[i] == g.appOf[j] && g.roleOf[i] == g.roleOf[j] && g.envOf[i] == g.envOf[j] {
		return g.unite(i, j) // the operator says so, whatever names say
	}
	if i == j || differ(g.envOf[i], g.envOf[j]) || differ(g.stemOf[i], g.stemOf[j]) || differ(g.wordOf[i], g.wordOf[j]) ||
		differ(g.appOf[i], g.appOf[j]) || differ(g.roleOf[i], g.roleOf[j]) {
		return false
	}
	return g.unite(i, j)
}

func (g *grouping) unite(i, j int32) bool {
	g.sets.union(i, j)
	r := g.sets.find(i)
	g.envOf[r] = cmp.Or(g.envOf[i], g.envOf[j])
	g.stemOf[r] = cmp.Or(g.stemOf[i], g.stemOf[j])
	g.wordOf[r] = cmp.Or(g.wordOf[i], g.wordOf[j])
	g.appOf[r] = cmp.Or(g.appOf[i], g.appOf[j])
	g.roleOf[r] = cmp.Or(g.roleOf[i], g.roleOf[j])
	return true
}

// differ reports two things known and not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }
