package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

func mapCmd(a *app) *cobra.Command {
	var w window
	var dot, members, byRole bool
	cmd := &cobra.Command{
		Use: "map", Short: "Applications, their roles, and who depends on whom", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				m, _, err := s.windowMap(cmd.Context(), &w)
				switch {
				case err != nil:
					return err
				case a.json:
					return a.printJSON(m)
				case dot:
					return writeDot(a.out, m)
				}
				return writeMap(a.out, m, members, byRole)
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&dot, "dot", false, "print the application graph for Graphviz")
	cmd.Flags().BoolVar(&byRole, "roles", false, "list who uses whom by role, inside applications too")
	cmd.Flags().BoolVar(&members, "members", false, "list the workloads of each role")
	return cmd
}

// writeMap prints a map for people: applications by priority with their roles,
// shared infrastructure with reasons, then who uses what between them.
func writeMap(w io.Writer, m *topology.Map, members, byRole bool) error {
	fmt.Fprintf(w, "%s to %s: %d nodes, %d dependencies, %d applications\n\n", day(m.Since), day(m.Until),
		len(m.Graph.Nodes), len(m.Graph.Deps), len(m.Applications))
	if err := table(w, []string{"APPLICATION", "ENV", "PRIORITY", "WORKLOADS", "ROLES"}, applicationRows(m, members)); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := table(w, []string{"INFRASTRUCTURE", "KIND", "WHY"}, infrastructureRows(m)); err != nil {
		return err
	}
	fmt.Fprintln(w)
	edges := groupEdges(m, groupName)
	if byRole || len(edges) == 0 { // a single application: what is inside it is the map
		edges = groupEdges(m, roleName)
	}
	return table(w, []string{"CLIENT", "SERVER", "SERVICES", "FLOWS", "LAST SEEN"}, edgeRows(edges))
}

// applicationRows lists applications by priority, then name; those that shared
// infrastructure and people's machines make stand after them.
func applicationRows(m *topology.Map, members bool) [][]string {
	order := make([]int, len(m.Applications))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		a, b := &m.Applications[x], &m.Applications[y]
		return cmp.Or(cmp.Compare(bit(a.Infrastructure != ""), bit(b.Infrastructure != "")), cmp.Compare(b.Priority, a.Priority),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Env, b.Env))
	})
	roles := make([][]string, len(m.Applications))
	for _, r := range m.Roles {
		if r.App >= 0 {
			roles[r.App] = append(roles[r.App], fmt.Sprintf("%s×%d", r.Name, len(r.Members)))
		}
	}
	var rows [][]string
	for _, i := range order {
		app := &m.Applications[i]
		rows = append(rows, []string{app.Name, app.Env, app.Priority.String(), fmt.Sprint(len(app.Members)), strings.Join(roles[i], ", ")})
		if !members {
			continue
		}
		for _, n := range app.Members {
			rows = append(rows, []string{"  " + m.Graph.Nodes[n].Name, "", "", "", m.Labels[n].String()})
		}
	}
	return rows
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func infrastructureRows(m *topology.Map) [][]string {
	rows := make([][]string, 0, len(m.Infrastructure))
	for _, f := range m.Infrastructure {
		rows = append(rows, []string{m.Graph.Nodes[f.Node].Name, f.Kind, f.Why})
	}
	return rows
}

// groupEdge is the traffic between two groups of the map.
type groupEdge struct {
	from, to string
	services map[flow.Service]bool
	stats    flow.EdgeStats
}

// groupEdges sums dependencies by the names that name gives to nodes, sorted by
// name. Traffic inside a group is left out.
func groupEdges(m *topology.Map, name func(*topology.Map, int32) string) []groupEdge {
	byPair := map[[2]string]*groupEdge{}
	for i := range m.Graph.Deps {
		d := &m.Graph.Deps[i]
		from, to := name(m, d.Client), name(m, d.Server)
		if from == to {
			continue
		}
		e := byPair[[2]string{from, to}]
		if e == nil {
			e = &groupEdge{from: from, to: to, services: map[flow.Service]bool{}}
			byPair[[2]string{from, to}] = e
		}
		e.services[d.Service] = true
		e.stats.Merge(d.EdgeStats)
	}
	edges := make([]groupEdge, 0, len(byPair))
	for _, e := range byPair {
		edges = append(edges, *e)
	}
	sort.Slice(edges, func(i, j int) bool {
		if edges[i].from != edges[j].from {
			return edges[i].from < edges[j].from
		}
		return edges[i].to < edges[j].to
	})
	return edges
}

// roleName is the application with the role, or the node's own name.
func roleName(m *topology.Map, n int32) string {
	r := m.RoleOf[n]
	if r < 0 {
		return groupName(m, n)
	}
	if m.AppOf[n] < 0 {
		return m.Roles[r].Name
	}
	return groupName(m, n) + ":" + m.Roles[r].Name
}

// groupName is the application with its environment, or the node's own name.
func groupName(m *topology.Map, n int32) string {
	if a := m.AppOf[n]; a >= 0 {
		app := &m.Applications[a]
		if app.Env != "" {
			return app.Name + "/" + app.Env
		}
		return app.Name
	}
	return m.Graph.Nodes[n].Name
}

func edgeRows(edges []groupEdge) [][]string {
	rows := make([][]string, 0, len(edges))
	for _, e := range edges {
		rows = append(rows, []string{e.from, e.to, serviceWords(e.services, 6), fmt.Sprint(e.stats.Flows), day(e.stats.Last)})
	}
	return rows
}

// serviceWords lists at most n services and says how many more there are.
func serviceWords(set map[flow.Service]bool, n int) string {
	list := make([]flow.Service, 0, len(set))
	for s := range set {
		list = append(list, s)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Compare(list[j]) < 0 })
	var words []string
	for _, s := range list[:min(n, len(list))] {
		words = append(words, s.String())
	}
	if len(list) > n {
		words = append(words, fmt.Sprintf("and %d more", len(list)-n))
	}
	return strings.Join(words, " ")
}

// writeDot prints the application graph in Graphviz's language. Names come from
// the wire: they are quoted as its grammar asks.
func writeDot(w io.Writer, m *topology.Map) error {
	fmt.Fprintln(w, "digraph bulkhead {\n  rankdir=LR;\n  node [shape=box, style=rounded];")
	for i := range m.Applications {
		app := &m.Applications[i]
		label := fmt.Sprintf("%s\n%s, %s", groupName(m, app.Members[0]), app.Priority, count(len(app.Members), "workload", "workloads"))
		fmt.Fprintf(w, "  %s [label=%s];\n", dotQuote(groupName(m, app.Members[0])), dotQuote(label))
	}
	for _, e := range groupEdges(m, groupName) {
		fmt.Fprintf(w, "  %s -> %s [label=%s];\n", dotQuote(e.from), dotQuote(e.to), dotQuote(serviceWords(e.services, 3)))
	}
	_, err := fmt.Fprintln(w, "}")
	return err
}

func dotQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		default:
			b.WriteString(printable(string(r)))
		}
	}
	b.WriteByte('"')
	return b.String()
}
