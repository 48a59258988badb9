package recommender

// Applications of machines that people sit at are known by what they do, when
// their roles' names do not say so: nearly all of them use much and serve nobody.
const (
	minPeople      = 10  // machines
	minPeopleShare = 0.8 // of them that use and do not serve
	minUsed        = 4   // servers that such a machine uses
	maxServed      = 2   // clients it may have all the same, infrastructure not counted
)

// peoples reports, per application, whether people sit at its machines.
func (e *estate) peoples() []bool {
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
	out := make([]bool, len(e.apps))
	for i := range e.apps {
		desks := 0
		for _, n := range e.apps[i].nodes {
			if used[n] >= minUsed && served[n] <= maxServed {
				desks++
			}
		}
		total := len(e.apps[i].nodes)
		out[i] = total >= minPeople && float64(desks) >= minPeopleShare*float64(total)
	}
	return out
}
