package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

func labelsCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "labels", Short: "Review what the map proposes to call things, accept or refuse it, or set labels by hand"}
	cmd.AddCommand(labelsReview(a), labelsSet(a), labelsCheck(a))
	return cmd
}

// labelFilter chooses proposals.
type labelFilter struct {
	key        string
	app        string
	confidence float64
}

func (f *labelFilter) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.key, "key", "", "only this label key: role, app, env, loc")
	cmd.Flags().StringVar(&f.app, "app", "", "only workloads of this application")
	cmd.Flags().Float64Var(&f.confidence, "min-confidence", 0, "only proposals at least this sure, 0..1")
}

func (f *labelFilter) keeps(m *topology.Map, p *topology.Proposal) bool {
	if f.key != "" && p.Key != f.key || p.Confidence < f.confidence {
		return false
	}
	return f.app == "" || m.Labels[p.Node][topology.LabelApp] == f.app
}

func labelsReview(a *app) *cobra.Command {
	var f labelFilter
	var accept, refuse bool
	cmd := &cobra.Command{
		Use: "review", Short: "List proposals with confidence and reason; --accept or --refuse decides all that are listed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if accept && refuse {
				return usagef("labels review: --accept and --refuse exclude each other")
			}
			return a.with(cmd.Context(), func(s *session) error {
				m, _, err := s.estateMap(cmd.Context())
				if err != nil {
					return err
				}
				var chosen []topology.Proposal
				for i := range m.Proposals {
					if f.keeps(m, &m.Proposals[i]) {
						chosen = append(chosen, m.Proposals[i])
					}
				}
				if err := a.printProposals(m, chosen); err != nil || !accept && !refuse {
					return err
				}
				decisions := make([]httpapi.LabelDecision, len(chosen))
				for i, p := range chosen {
					decisions[i] = httpapi.LabelDecision{Node: m.Graph.Nodes[p.Node].ID, Key: p.Key, Value: p.Value, Accept: accept}
				}
				return s.decideLabels(cmd.Context(), author(), decisions)
			})
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&accept, "accept", false, "accept every proposal listed")
	cmd.Flags().BoolVar(&refuse, "refuse", false, "refuse every proposal listed")
	return cmd
}

func (a *app) printProposals(m *topology.Map, list []topology.Proposal) error {
	if a.json {
		return a.printJSON(list)
	}
	rows := make([][]string, 0, len(list))
	for _, p := range list {
		rows = append(rows, []string{m.Graph.Nodes[p.Node].Name, p.Key + "=" + p.Value, fmt.Sprintf("%.0f%%", 100*p.Confidence), p.Why})
	}
	return table(a.out, []string{"WORKLOAD", "LABEL", "SURE", "WHY"}, rows)
}

func labelsSet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "set WORKLOAD KEY=VALUE...", Short: "Label a workload by hand; an address that no workload claims becomes one", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			labels, err := parseLabels(strings.Join(args[1:], ","))
			if err != nil {
				return usagef("labels set: %v", err)
			}
			return a.with(cmd.Context(), func(s *session) error {
				m, _, err := s.estateMap(cmd.Context())
				if err != nil {
					return err
				}
				id, err := findNode(m, args[0])
				if err != nil {
					return err
				}
				var decisions []httpapi.LabelDecision
				for _, k := range labels.Keys() {
					decisions = append(decisions, httpapi.LabelDecision{Node: id, Key: k, Value: labels[k], Accept: true})
				}
				return s.decideLabels(cmd.Context(), author(), decisions)
			})
		},
	}
}

func labelsCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Find mislabelled, unlabelled, duplicate and stale workloads; exit code 3 when there are any", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				m, _, err := s.estateMap(cmd.Context())
				if err != nil {
					return err
				}
				index, err := s.inventory(cmd.Context())
				if err != nil {
					return err
				}
				issues := mapper.Hygiene(m, index)
				if a.json {
					if err := a.printJSON(issues); err != nil {
						return err
					}
				} else {
					rows := make([][]string, 0, len(issues))
					for _, i := range issues {
						rows = append(rows, []string{i.Workload, i.Kind, i.Why})
					}
					if err := table(a.out, []string{"WORKLOAD", "ISSUE", "WHY"}, rows); err != nil {
						return err
					}
				}
				if len(issues) > 0 {
					return errFinding
				}
				return nil
			})
		},
	}
}
