package mapper

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Kinds of Issue.
const (
	IssueMislabelled = "mislabelled" // behaves like another application than its label says
	IssueUnlabelled  = "unlabelled"  // seen, and the operator gave it no application
	IssueDuplicate   = "duplicate"   // two workloads under one name
	IssueStale       = "stale"       // in the inventory, not seen in the window
)

// Issue is something about the inventory that a person should look at.
type Issue struct {
	Kind     string `json:"kind"`
	Workload string `json:"workload"` // topology.Node.ID or topology.Workload.ID
	Why      string `json:"why"`
}

// Hygiene compares an inventory with what was seen of it; sorted by kind and
// workload. x may be nil.
func Hygiene(m *topology.Map, x *topology.Index) []Issue {
	var out []Issue
	adj := newAdjacency(len(m.Graph.Nodes), m.Graph.Deps)
	for i := range m.Graph.Nodes {
		n := &m.Graph.Nodes[i]
		if !n.Inside() {
			continue
		}
		if n.Labels[topology.LabelApp] == "" {
			out = append(out, Issue{IssueUnlabelled, n.ID, unlabelledWhy(m, int32(i))})
		} else if why, ok := mislabelled(m, &adj, int32(i)); ok {
			out = append(out, Issue{IssueMislabelled, n.ID, why})
		}
	}
	if x != nil {
		out = append(out, inventoryIssues(m, x.Inventory())...)
	}
	slices.SortFunc(out, func(a, b Issue) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Workload, b.Workload)) })
	return out
}

func unlabelledWhy(m *topology.Map, i int32) string {
	if app := m.Labels[i][topology.LabelApp]; app != "" {
		return fmt.Sprintf("no application given; its behaviour says %s", app)
	}
	return "no application given, and too little seen to propose one"
}

// mislabelled reports a labelled server that has no dependency within its own
// application and several within one other: the test that label reviews by hand
// start with. What was seen once or twice is left out, and so are machines that
// only use others: people's belong to no application they use.
func mislabelled(m *topology.Map, adj *adjacency, i int32) (string, bool) {
	own, total, other := 0, 0, map[int32]int{}
	count := func(d, peer int32) {
		a := m.AppOf[peer]
		switch {
		case m.Graph.Deps[d].Flows <= 2 || a < 0 || m.Applications[a].Infrastructure != "":
		case a == m.AppOf[i]:
			own++
		default:
			other[a]++
			total++
		}
	}
	from, to := adj.uses(i)
	for d := from; d < to; d++ {
		count(d, m.Graph.Deps[d].Server)
	}
	using := total
	for _, d := range adj.serves(i) {
		count(d, m.Graph.Deps[d].Client)
	}
	if total == using || own > 0 || len(other) != 1 || m.AppOf[i] < 0 || m.Applications[m.AppOf[i]].Infrastructure != "" {
		return "", false
	}
	for a, n := range other {
		if n >= 2 {
			return fmt.Sprintf("labelled %s, but all its %d dependencies on applications are with %s",
				m.Graph.Nodes[i].Labels[topology.LabelApp], n, AppTitle(&m.Applications[a])), true
		}
	}
	return "", false
}

func inventoryIssues(m *topology.Map, inv *topology.Inventory) []Issue {
	var out []Issue
	seen := indexNodes(&m.Graph)
	named := map[string]string{}
	for k := range inv.Workloads {
		w := &inv.Workloads[k]
		if _, ok := seen[w.ID]; !ok && !ended(w, m.Since) {
			out = append(out, Issue{IssueStale, w.ID, fmt.Sprintf("not seen between %s and %s", m.Since.Std().Format(time.DateOnly), m.Until.Std().Format(time.DateOnly))})
		}
		name := cmp.Or(w.Name, w.ID)
		if other, ok := named[name]; ok {
			out = append(out, Issue{IssueDuplicate, w.ID, fmt.Sprintf("named %q like %s", name, other)})
		} else {
			named[name] = w.ID
		}
	}
	return out
}

// ended reports a workload whose every address was given up before t.
func ended(w *topology.Workload, t flow.Time) bool {
	for _, a := range w.Addresses {
		if a.To.IsZero() || flow.TimeOf(a.To) > t {
			return false
		}
	}
	return len(w.Addresses) > 0
}
