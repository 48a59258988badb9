package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

const groupsHelp = `An application on the map is a guess until somebody accepts it. Pinning accepts
one as it is: its workloads and roles stay together under its name in every later
run, whatever the traffic does. Newcomers may still join it, and labels given by hand
win over pins.`

func groupsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "groups", Short: "Applications the map found: list, accept as they are, rename, let go", Long: groupsHelp}
	var reason string
	decide := func(use, short string, args cobra.PositionalArgs, decision func(args []string) topology.GroupDecision) {
		c := &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
			return a.withApplication(cmd.Context(), args[0], func(s *session, m *topology.Map, id string) error {
				d := decision(args)
				d.Application, d.Reason = id, reason
				return s.decideGroup(cmd.Context(), author(), m, d)
			})
		}}
		c.Flags().StringVar(&reason, "reason", "", "why, for the record")
		cmd.AddCommand(c)
	}
	cmd.AddCommand(groupsList(a))
	decide("pin APPLICATION", "Accept an application as it is", cobra.ExactArgs(1),
		func([]string) topology.GroupDecision { return topology.GroupDecision{Pin: true} })
	decide("unpin APPLICATION", "Let the traffic decide again who belongs to it", cobra.ExactArgs(1),
		func([]string) topology.GroupDecision { return topology.GroupDecision{} })
	decide("rename APPLICATION NAME", "Accept an application under another name", cobra.ExactArgs(2),
		func(args []string) topology.GroupDecision { return topology.GroupDecision{Pin: true, Name: args[1]} })
	return cmd
}

// withApplication opens a session and finds an application of the estate's map.
func (a *app) withApplication(ctx context.Context, word string, f func(*session, *topology.Map, string) error) error {
	return a.with(ctx, func(s *session) error {
		m, _, err := s.estateMap(ctx)
		if err != nil {
			return err
		}
		id, err := findApplication(m, word)
		if err != nil {
			return err
		}
		return f(s, m, id)
	})
}

// findApplication finds an application by "name/env", id, or a name that only one
// has.
func findApplication(m *topology.Map, word string) (string, error) {
	var titles, named []string
	for i := range m.Applications {
		app := &m.Applications[i]
		if word == app.ID || word == mapper.AppTitle(app) {
			return app.ID, nil
		}
		titles = append(titles, mapper.AppTitle(app))
		if word == app.Name {
			named = append(named, app.ID)
		}
	}
	switch len(named) {
	case 0:
		return "", usagef("no application on the map is called %q%s; `bulkhead groups list` shows them", word, strictyaml.Suggest(word, titles))
	case 1:
		return named[0], nil
	}
	return "", usagef("%d applications are called %q; say which environment: %s/ENV", len(named), word, word)
}

// groupRow is an application as it is listed.
type groupRow struct {
	ID        string `json:"id"`
	Name      string `json:"name"` // with environment
	Workloads int    `json:"workloads"`
	Roles     int    `json:"roles"`
	Pinned    bool   `json:"pinned"`
	Why       string `json:"why"`
}

func groupsList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Applications, whether they were accepted, and why they are one", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				m, _, err := s.estateMap(cmd.Context())
				if err != nil {
					return err
				}
				rows, cells := groupTable(m)
				if a.json {
					return a.printJSON(rows)
				}
				return table(a.out, []string{"APPLICATION", "ID", "WORKLOADS", "ROLES", "ACCEPTED", "WHY"}, cells)
			})
		},
	}
}

func groupTable(m *topology.Map) ([]groupRow, [][]string) {
	roles := make([]int, len(m.Applications))
	for _, r := range m.Roles {
		if r.App >= 0 {
			roles[r.App]++
		}
	}
	rows, cells := make([]groupRow, 0, len(m.Applications)), make([][]string, 0, len(m.Applications))
	for i := range m.Applications {
		app := &m.Applications[i]
		r := groupRow{app.ID, mapper.AppTitle(app), len(app.Members), roles[i], app.Pinned, app.Why}
		accepted := ""
		if r.Pinned {
			accepted = "yes"
		}
		rows = append(rows, r)
		cells = append(cells, []string{r.Name, r.ID, fmt.Sprint(r.Workloads), fmt.Sprint(r.Roles), accepted, r.Why})
	}
	return rows, cells
}
