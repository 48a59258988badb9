package recommender

// Applications and groups of machines that people sit at are known by what they
// do, when their roles' names do not say so: nearly all of them use much and serve
// nobody.
const (
	minPeople      = 10  // machines
	minPeopleShare = 0.8 // of them that use and do not serve
	minUsed        = 4   // servers that such a machine uses
	maxServed      = 2   // clients it may have all the same, infrastructure not counted
)

// people says where people sit.
type people struct {
	apps   []bool          // per application: at most of its machines
	groups []bool          // per group, likewise
	roles  map[string]bool // what such groups' roles are called
	alike  []bool          // per node: it uses much and serves nobody
}

// people finds the machines that people sit at.
func (e *estate) people() *people {
	used, served := make([]int, len(e.groupOf)), make([]int, len(e.groupOf))
	for i := range e.m.Graph.Deps { // sorted by client, then server
		d := &e.m.Graph.Deps[i]
		if i > 0 && d.Client == e.m.Graph.Deps[i-1].Client && d.Server == e.m.Graph.Deps[i-1].Server {
			continue // another service of the same pair
		}
		used[d.Client]++
		if e.infra[d.Client] == "" && e.m.Graph.Nodes[d.Client].Inside() {
			served[d.Server]++
		}
	}
	p := &people{apps: make([]bool, len(e.apps)), groups: make([]bool, len(e.groups)), roles: map[string]bool{}, alike: make([]bool, len(used))}
	for i := range used {
		p.alike[i] = used[i] >= minUsed && served[i] <= maxServed
	}
	for i := range e.apps {
		p.apps[i] = p.mostly(e.apps[i].nodes)
	}
	for i := range e.groups {
		if g := &e.groups[i]; g.app >= 0 && p.mostly(g.nodes) {
			p.groups[i], p.roles[g.role] = true, true
		}
	}
	return p
}

func (p *people) mostly(nodes []int32) bool {
	n := 0
	for _, i := range nodes {
		if p.alike[i] {
			n++
		}
	}
	return len(nodes) >= minPeople && float64(n) >= minPeopleShare*float64(len(nodes))
}

// desk reports whether people sit at node i: its role says so, its group or
// application does, or it does the same and is called the same as such a group.
func (j *judge) desk(i int32) bool {
	at := j.groupOf[i]
	g, p := &j.groups[at], j.people
	return g.workstation() || p.groups[at] || g.app >= 0 && p.apps[g.app] || p.alike[i] && g.role != "" && p.roles[g.role]
}
