package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

func infrastructureCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "infrastructure", Short: "Shared infrastructure the map found: list, accept, refuse, or say what it is"}
	var reason string
	decide := func(use, short string, args cobra.PositionalArgs, decision func(node, kind string) topology.InfrastructureDecision) {
		c := &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
			return a.withNode(cmd.Context(), args[0], func(s *session, m *topology.Map, id string) error {
				d := decision(id, cmp.Or(append(args[1:], "")...))
				d.Reason = reason
				return s.decideInfrastructure(cmd.Context(), author(), m, []topology.InfrastructureDecision{d})
			})
		}}
		c.Flags().StringVar(&reason, "reason", "", "why, for the record")
		cmd.AddCommand(c)
	}
	cmd.AddCommand(infrastructureList(a))
	decide("accept NODE", "It is what the map says it is; it stands even if the traffic no longer shows it", cobra.ExactArgs(1),
		func(node, _ string) topology.InfrastructureDecision {
			return topology.InfrastructureDecision{Node: node, Accept: true}
		})
	decide("refuse NODE [KIND]", "It is none, or not of that kind; it goes back among the applications", cobra.RangeArgs(1, 2),
		func(node, kind string) topology.InfrastructureDecision {
			return topology.InfrastructureDecision{Node: node, Kind: kind}
		})
	decide("set NODE KIND", "Say what it is, whatever the map found", cobra.ExactArgs(2),
		func(node, kind string) topology.InfrastructureDecision {
			return topology.InfrastructureDecision{Node: node, Kind: kind, Accept: true}
		})
	cmd.AddCommand(&cobra.Command{
		Use: "reset NODE", Short: "Withdraw what was decided about it: the traffic decides again", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withNode(cmd.Context(), args[0], func(s *session, _ *topology.Map, id string) error {
				return s.forgetInfrastructure(cmd.Context(), author(), id)
			})
		},
	})
	return cmd
}

// withNode opens a session and finds a node of the estate's map.
func (a *app) withNode(ctx context.Context, word string, f func(*session, *topology.Map, string) error) error {
	return a.with(ctx, func(s *session) error {
		m, _, err := s.estateMap(ctx)
		if err != nil {
			return err
		}
		id, err := findNode(m, word)
		if err != nil {
			return err
		}
		return f(s, m, id)
	})
}

// infrastructureRow is a finding, or a refusal of one.
type infrastructureRow struct {
	Node       string  `json:"node"`
	Name       string  `json:"name"`
	Kind       string  `json:"kind"`
	Confidence float64 `json:"confidence"`
	Decided    string  `json:"decided"` // "", "accepted", "refused"
	Why        string  `json:"why"`
}

func infrastructureList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "What was found, how sure it is, why, and what was decided", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				m, _, err := s.estateMap(cmd.Context())
				if err != nil {
					return err
				}
				var book mapper.Decisions
				if _, err := s.load(cmd.Context(), docMapping, docOnly, &book); err != nil {
					return err
				}
				rows := infrastructureTable(m, book.Infrastructure)
				if a.json {
					return a.printJSON(rows)
				}
				cells := make([][]string, 0, len(rows))
				for _, r := range rows {
					cells = append(cells, []string{r.Name, r.Kind, fmt.Sprintf("%.0f%%", 100*r.Confidence), r.Decided, r.Why})
				}
				return table(a.out, []string{"NODE", "KIND", "SURE", "DECIDED", "WHY"}, cells)
			})
		},
	}
}

func infrastructureTable(m *topology.Map, decisions []topology.InfrastructureDecision) []infrastructureRow {
	accepted, names := map[string]bool{}, map[string]string{}
	for i := range m.Graph.Nodes {
		names[m.Graph.Nodes[i].ID] = m.Graph.Nodes[i].Name
	}
	for _, d := range decisions {
		accepted[d.Node] = accepted[d.Node] || d.Accept
	}
	rows := make([]infrastructureRow, 0, len(m.Infrastructure))
	for _, f := range m.Infrastructure {
		n := &m.Graph.Nodes[f.Node]
		r := infrastructureRow{Node: n.ID, Name: n.Name, Kind: f.Kind, Confidence: f.Confidence, Why: f.Why}
		if accepted[n.ID] {
			r.Decided = "accepted"
		}
		rows = append(rows, r)
	}
	for _, d := range decisions {
		if !d.Accept {
			rows = append(rows, infrastructureRow{Node: d.Node, Name: cmp.Or(names[d.Node], d.Node), Kind: d.Kind, Decided: "refused", Why: d.Reason})
		}
	}
	return rows
}
