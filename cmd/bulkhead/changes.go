package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

func changesCmd(a *app) *cobra.Command {
	var w window
	cmd := &cobra.Command{
		Use: "changes", Short: "What is new on the map since a moment: workloads, dependencies, applications", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if w.since == "" {
				return usagef("changes: say since when: --since 7d")
			}
			return a.with(cmd.Context(), func(s *session) error {
				after, _, err := s.estateMap(cmd.Context())
				if err != nil {
					return err
				}
				_, newest, err := s.recorded(cmd.Context())
				if err != nil {
					return err
				}
				since, _, err := w.resolve(newest, a.cfg.Map.Window)
				if err != nil {
					return err
				}
				before, _, err := s.project(cmd.Context(), after, after.Since, since)
				if err != nil {
					return err
				}
				d := mapper.Diff(before, after)
				if a.json {
					return a.printJSON(d)
				}
				for _, line := range d.Words {
					fmt.Fprintln(a.out, printable(line))
				}
				return nil
			})
		},
	}
	w.flags(cmd)
	return cmd
}

func pathCmd(a *app) *cobra.Command {
	var w window
	cmd := &cobra.Command{
		Use: "path FROM TO", Short: "The shortest chain of dependencies from one place to another; exit code 3 when there is none", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				m, _, err := s.windowMap(cmd.Context(), &w)
				if err != nil {
					return err
				}
				from, err := nodeIndex(m, args[0])
				if err != nil {
					return err
				}
				to, err := nodeIndex(m, args[1])
				if err != nil {
					return err
				}
				deps, ok := mapper.Path(m, from, to)
				if !ok {
					a.say("no chain of dependencies leads from %s to %s", args[0], args[1])
					return errFinding
				}
				if a.json {
					list := make([]topology.Dependency, 0, len(deps))
					for _, d := range deps {
						list = append(list, m.Graph.Deps[d])
					}
					return a.printJSON(list)
				}
				var b strings.Builder
				b.WriteString(m.Graph.Nodes[from].Name)
				for _, d := range deps {
					fmt.Fprintf(&b, " → %s → %s", m.Graph.Deps[d].Service, m.Graph.Nodes[m.Graph.Deps[d].Server].Name)
				}
				_, err = fmt.Fprintln(a.out, printable(b.String()))
				return err
			})
		},
	}
	w.flags(cmd)
	return cmd
}

func nodeIndex(m *topology.Map, word string) (int32, error) {
	id, err := findNode(m, word)
	if err != nil {
		return 0, err
	}
	for i := range m.Graph.Nodes {
		if m.Graph.Nodes[i].ID == id {
			return int32(i), nil
		}
	}
	return 0, usagef("nothing on the map is called %q", word)
}
