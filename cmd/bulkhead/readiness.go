package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

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
				return writeReadiness(a.out, list)
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().IntVar(&horizon, "days", recommender.DefaultHorizon, "days ahead")
	return cmd
}

// writeReadiness prints one line per policy, the advice for the whole estate, and
// what was seen once only.
func writeReadiness(w io.Writer, list []policy.Readiness) error {
	rows := make([][]string, 0, len(list))
	for _, r := range list {
		more := "-"
		if r.HalveAfter > 0 {
			more = count(r.HalveAfter, "day", "days")
		}
		rows = append(rows, []string{cmp.Or(r.Policy, "the whole estate"), fmt.Sprint(r.Days), fmt.Sprint(r.Observed), fmt.Sprint(r.Once), fmt.Sprint(r.Monthly),
			fmt.Sprintf("%.1f (%.1f to %.1f)", r.Unseen, r.UnseenLow, r.UnseenHigh), fmt.Sprintf("%.2f%%", 100*r.Coverage), fmt.Sprintf("%.1f", r.AtRisk), more})
	}
	header := []string{"POLICY", "DAYS", "DEPENDENCIES", "SEEN ONCE", "MONTH-END", "UNSEEN (95%)", "COVERAGE", "AT RISK", "HALVED AFTER"}
	if err := table(w, header, rows); err != nil || len(list) == 0 {
		return err
	}
	all := &list[0]
	fmt.Fprintf(w, "\n%s\n", printable(all.Words))
	if len(all.Rare) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nseen on one day only, %s:\n", count(len(all.Rare), "the only one", "the least busy first"))
	rows = rows[:0]
	for _, x := range all.Rare {
		kind := "once"
		if x.MonthEnd {
			kind = "month-end"
		}
		rows = append(rows, []string{x.From, x.To, x.Service.String(), x.Day.Std().Format(time.DateOnly), fmt.Sprint(x.Example.Flows), kind})
	}
	return table(w, []string{"CLIENT", "SERVER", "SERVICE", "DAY", "CONNECTIONS", "KIND"}, rows)
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
