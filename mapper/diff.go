package mapper

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Difference is what changed between two maps. Nodes are named by ID; lists are
// sorted.
type Difference struct {
	NewNodes  []string `json:"newNodes"`
	GoneNodes []string `json:"goneNodes"`
	// NewOutside are the names and networks outside the estate that are new; they are
	// in none of the lists above.
	NewOutside []string `json:"newOutside,omitempty"`
	// NewDependencies join nodes of which at least one was there before, or all
	// new ones; by client, server, service.
	NewDependencies  []DependencyName `json:"newDependencies"`
	GoneDependencies []DependencyName `json:"goneDependencies"`
	NewApplications  []string         `json:"newApplications"`
	GoneApplications []string         `json:"goneApplications"`
	// Moved are nodes of both maps whose application changed.
	Moved             []Move   `json:"moved"`
	NewInfrastructure []string `json:"newInfrastructure"`
	// Quiet are dependencies that were used so regularly before that their silence
	// since is no chance; only Since fills it.
	Quiet []DependencyName `json:"quiet,omitempty"`
	// Words says it in sentences, most important first.
	Words []string `json:"words"`
}

// DependencyName is a dependency by names that survive from map to map.
type DependencyName struct {
	Client  string       `json:"client"`
	Server  string       `json:"server"`
	Service flow.Service `json:"service"`
}

// Move is a node that went from one application to another; "" for none.
type Move struct {
	Node string `json:"node"`
	From string `json:"from"`
	To   string `json:"to"`
}

func (d DependencyName) compare(o DependencyName) int {
	return cmp.Or(cmp.Compare(d.Client, o.Client), cmp.Compare(d.Server, o.Server), d.Service.Compare(o.Service))
}

// Diff compares two maps. Applications are matched by identity, which Build
// carries over when it is given the previous map.
func Diff(before, after *topology.Map) Difference {
	var d Difference
	d.NewNodes, d.GoneNodes = compareSets(nodeIDs(before, true), nodeIDs(after, true))
	d.NewOutside, _ = compareSets(nodeIDs(before, false), nodeIDs(after, false))
	d.NewDependencies, d.GoneDependencies = compareDependencies(dependencyNames(before), dependencyNames(after))
	d.NewApplications, d.GoneApplications = compareSets(applicationNames(before, after), applicationNames(after, before))
	d.Moved = moves(before, after)
	d.NewInfrastructure, _ = compareSets(findingNames(before), findingNames(after))
	d.Words = d.words(after)
	return d
}

// Since compares what was seen until a moment with all that was seen: before is the
// map of the time until since, after the one of all of it, of which before is a
// part. Nothing can be gone from it; what was regular and fell silent is Quiet.
func Since(before, after *topology.Map, since flow.Time) Difference {
	d := Diff(before, after)
	for i := range before.Graph.Deps {
		if dep := &before.Graph.Deps[i]; silent(dep.Days, before.Since, since, after.Until) {
			d.Quiet = append(d.Quiet, DependencyName{before.Graph.Nodes[dep.Client].ID, before.Graph.Nodes[dep.Server].ID, dep.Service})
		}
	}
	d.Quiet = only(d.Quiet, usedSince(after, since), DependencyName.compare)
	d.Words = d.words(after)
	return d
}

// silent reports that a dependency used on so many days between from and since would
// be silent until then by chance less than once in a hundred times. By Laplace's
// rule it is used on a day with probability (used+1)/(days+2); days off count for
// nothing, since many things rest on them.
func silent(used uint32, from, since, until flow.Time) bool {
	const oneDay = 24 * 3600 * 1e9
	days, working := float64(since-from)/oneDay, 0
	for t := since; t+oneDay <= until+1; t += oneDay {
		if wd := t.Std().Weekday(); wd != time.Saturday && wd != time.Sunday {
			working++
		}
	}
	p := min((float64(used)+1)/(days+2), 1)
	return used > 1 && math.Pow(1-p, float64(working)) < 0.01
}

func usedSince(m *topology.Map, since flow.Time) []DependencyName {
	var out []DependencyName
	for _, dep := range m.Graph.Deps {
		if dep.Last >= since {
			out = append(out, DependencyName{m.Graph.Nodes[dep.Client].ID, m.Graph.Nodes[dep.Server].ID, dep.Service})
		}
	}
	return out
}

// nodeIDs are the sorted ids of the nodes inside the estate, or of those outside.
func nodeIDs(m *topology.Map, inside bool) []string {
	var out []string
	for i := range m.Graph.Nodes {
		if n := &m.Graph.Nodes[i]; n.Inside() == inside {
			out = append(out, n.ID)
		}
	}
	slices.Sort(out)
	return out
}

// applicationNames lists m's applications by the name they have in m, or in other
// where other knows the identity, so that a new name is not a new application.
func applicationNames(m, other *topology.Map) []string {
	known := map[string]string{}
	for a := range other.Applications {
		known[other.Applications[a].ID] = AppTitle(&other.Applications[a])
	}
	out := make([]string, len(m.Applications))
	for a := range out {
		app := &m.Applications[a]
		out[a] = AppTitle(app)
		if name, ok := known[app.ID]; ok {
			out[a] = min(name, out[a])
		}
	}
	slices.Sort(out)
	return out
}

// AppTitle is how an application is called where environments are mixed:
// "shop/prod", or "shop" when its environment is not known.
func AppTitle(a *topology.Application) string {
	if a.Env == "" {
		return a.Name
	}
	return a.Name + "/" + a.Env
}

func findingNames(m *topology.Map) []string {
	out := make([]string, len(m.Infrastructure))
	for k, f := range m.Infrastructure {
		out[k] = m.Graph.Nodes[f.Node].ID + " (" + f.Kind + ")"
	}
	slices.Sort(out)
	return out
}

func dependencyNames(m *topology.Map) []DependencyName {
	out := make([]DependencyName, len(m.Graph.Deps))
	for k, d := range m.Graph.Deps {
		out[k] = DependencyName{m.Graph.Nodes[d.Client].ID, m.Graph.Nodes[d.Server].ID, d.Service}
	}
	return out // sorted, since nodes are by id
}

// compareSets returns what only after has and what only before has; both sorted.
func compareSets(before, after []string) (added, gone []string) {
	return only(after, before, cmp.Compare[string]), only(before, after, cmp.Compare[string])
}

func compareDependencies(before, after []DependencyName) (added, gone []DependencyName) {
	c := func(a, b DependencyName) int { return a.compare(b) }
	return only(after, before, c), only(before, after, c)
}

// only returns what is in a and not in b; both sorted by compare.
func only[T any](a, b []T, compare func(T, T) int) []T {
	var out []T
	j := 0
	for _, x := range a {
		for j < len(b) && compare(b[j], x) < 0 {
			j++
		}
		if j == len(b) || compare(b[j], x) != 0 {
			out = append(out, x)
		}
	}
	return out
}

func moves(before, after *topology.Map) []Move {
	was := indexNodes(&before.Graph)
	var out []Move
	for i := range after.Graph.Nodes {
		old, ok := was[after.Graph.Nodes[i].ID]
		if !ok {
			continue
		}
		from, fromID := appOf(before, old)
		to, toID := appOf(after, int32(i))
		if fromID != toID {
			out = append(out, Move{after.Graph.Nodes[i].ID, from, to})
		}
	}
	return out
}

func appOf(m *topology.Map, i int32) (title, id string) {
	if a := m.AppOf[i]; a >= 0 {
		return AppTitle(&m.Applications[a]), m.Applications[a].ID
	}
	return "", ""
}

// words puts the difference into sentences.
func (d *Difference) words(after *topology.Map) []string {
	var out []string
	count := func(n int, one, many string) {
		switch {
		case n == 1:
			out = append(out, "1 "+one)
		case n > 1:
			out = append(out, fmt.Sprintf("%d %s", n, many))
		}
	}
	count(len(d.NewNodes), "new workload", "new workloads")
	count(len(d.GoneNodes), "workload not seen any more", "workloads not seen any more")
	count(len(d.NewOutside), "new name or network outside", "new names and networks outside")
	count(len(d.NewDependencies), "new dependency", "new dependencies")
	if name, n := d.mostOf(after); n > 0 {
		out[len(out)-1] += fmt.Sprintf(" (%d of them of the scanner %s)", n, name)
	}
	count(len(d.GoneDependencies), "dependency not seen any more", "dependencies not seen any more")
	count(len(d.Quiet), "regular dependency fell silent", "regular dependencies fell silent")
	for _, n := range d.NewApplications {
		out = append(out, "new application "+n)
	}
	for _, n := range d.NewInfrastructure {
		out = append(out, "new shared infrastructure "+n)
	}
	return append(out, d.clients(after)...)
}

// scannerNodes are the ids of what scans: what it reaches is no dependency of an
// application.
func scannerNodes(m *topology.Map) map[string]bool {
	out := map[string]bool{}
	for _, f := range m.Infrastructure {
		if f.Kind == KindScanner {
			out[m.Graph.Nodes[f.Node].ID] = true
		}
	}
	return out
}

// mostOf is the scanner that most new dependencies are of, and how many.
func (d *Difference) mostOf(after *topology.Map) (name string, most int) {
	scans, count := scannerNodes(after), map[string]int{}
	for _, n := range d.NewDependencies {
		if scans[n.Client] {
			count[n.Client]++
		}
	}
	for id, n := range count {
		if n > most || n == most && id < name {
			name, most = id, n
		}
	}
	return name, most
}

// maxClientWords bounds the sentences about single servers.
const maxClientWords = 10

// clients says which servers gained clients, the most important first.
func (d *Difference) clients(after *topology.Map) []string {
	at := indexNodes(&after.Graph)
	gained, scans := map[string]map[string]bool{}, scannerNodes(after)
	for _, n := range d.NewDependencies {
		if scans[n.Client] {
			continue
		}
		if gained[n.Server] == nil {
			gained[n.Server] = map[string]bool{}
		}
		gained[n.Server][n.Client] = true
	}
	servers := make([]string, 0, len(gained))
	for s := range gained {
		if i, ok := at[s]; ok && after.Graph.Nodes[i].Inside() && !slices.Contains(d.NewNodes, s) {
			servers = append(servers, s)
		}
	}
	slices.SortFunc(servers, func(x, y string) int {
		return cmp.Or(cmp.Compare(after.Priorities[at[y]], after.Priorities[at[x]]), cmp.Compare(len(gained[y]), len(gained[x])), cmp.Compare(x, y))
	})
	var out []string
	for _, s := range servers[:min(len(servers), maxClientWords)] {
		name := after.Graph.Nodes[at[s]].Name
		if len(gained[s]) == 1 {
			for c := range gained[s] {
				out = append(out, fmt.Sprintf("%s gained a client: %s", name, after.Graph.Nodes[at[c]].Name))
			}
			continue
		}
		out = append(out, fmt.Sprintf("%s gained %d clients", name, len(gained[s])))
	}
	return out
}
