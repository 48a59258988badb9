package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

func readinessCmd(a *app) *cobra.Command {
	var w window
	var horizon int
	cmd := &cobra.Command{
		Use: "readiness", Short: "Have we watched long enough to enforce? Per application, with what is likely still unseen", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if horizon < 1 {
				return usagef("--days %d: want one or more", horizon)
			}
			return a.with(cmd.Context(), func(s *session) error {
				m, probes, err := s.windowMap(cmd.Context(), &w)
				if err != nil {
					return err
				}
				list, err := s.readiness(cmd.Context(), m, probes, horizon)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(list)
				}
				for _, r := range list {
					name := r.Policy
					if name == "" {
						name = "the whole estate"
					}
					fmt.Fprintf(a.out, "%s: %s\n", printable(name), printable(r.Words))
				}
				return nil
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().IntVar(&horizon, "days", recommender.DefaultHorizon, "days ahead")
	return cmd
}

// readiness estimates from the days on which each edge of the map's window was
// seen.
func (s *session) readiness(ctx context.Context, m *topology.Map, probes []flow.Probe, horizon int) ([]policy.Readiness, error) {
	days, err := s.store.Incidence(ctx, store.Query{Since: m.Since, Until: m.Until})
	if err != nil {
		return nil, err
	}
	return recommender.Readiness(m, probes, days, horizon), nil
}

func tightenCmd(a *app) *cobra.Command {
	var w window
	var from, to, scope string
	cmd := &cobra.Command{
		Use: "tighten", Short: "What going from one level to a tighter one newly closes, and on what evidence", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt, err := recommendOptions(to, scope, false)
			if err != nil {
				return err
			}
			var loose policy.Level
			if err := loose.UnmarshalText([]byte(from)); err != nil {
				return usagef("--from: %v", err)
			}
			if loose >= opt.Level {
				return usagef("tighten: %s is not tighter than %s", opt.Level, loose)
			}
			return a.with(cmd.Context(), func(s *session) error {
				m, probes, err := s.windowMap(cmd.Context(), &w)
				if err != nil {
					return err
				}
				if opt.Networks, err = s.networks(cmd.Context()); err != nil {
					return err
				}
				t, err := recommender.Tighten(m, probes, loose, opt.Level, opt)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(t)
				}
				fmt.Fprintf(a.out, "from %s (%d rules) to %s (%d rules) newly closes:\n", t.From, t.RulesBefore, t.To, t.RulesAfter)
				for _, c := range t.Closes {
					fmt.Fprintf(a.out, "  %s\n", printable(c.String()))
				}
				return nil
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&from, "from", "tier", "the level to leave")
	cmd.Flags().StringVar(&to, "to", "service", "the level to go to")
	cmd.Flags().StringVar(&scope, "scope", "", "only these workloads' policies: app=payments,env=prod")
	return cmd
}
