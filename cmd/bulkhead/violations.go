package main

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/store"
)

func violationsCmd(a *app) *cobra.Command {
	var q store.ViolationQuery
	var since string
	var follow bool
	cmd := &cobra.Command{
		Use: "violations", Short: "What enforcement points blocked, or would have blocked, newest last", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since != "" {
				at, err := parseInstant(since, flow.TimeOf(time.Now()))
				if err != nil {
					return usagef("--since: %v", err)
				}
				q.Since = at
			}
			return a.with(cmd.Context(), func(s *session) error {
				last, err := s.printViolations(cmd.Context(), q)
				if err != nil || !follow {
					return err
				}
				return s.followViolations(cmd.Context(), q, last)
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "from: 1h, 7d (back from now), 2026-11-01 or RFC 3339")
	cmd.Flags().StringVar(&q.Policy, "policy", "", "of this policy only")
	cmd.Flags().BoolVar(&q.EnforcedOnly, "blocked", false, "only what was blocked, not what would have been")
	cmd.Flags().IntVar(&q.Limit, "limit", 100, "how many")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until stopped")
	return cmd
}

// followEvery is how often --follow looks for more.
const followEvery = time.Second

func (s *session) followViolations(ctx context.Context, q store.ViolationQuery, last flow.Time) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		q.Since = last + 1
		at, err := s.printViolations(ctx, q)
		if err != nil {
			return err
		}
		last = max(last, at)
	}
}

// printViolations prints, oldest first, and returns the time of the newest.
func (s *session) printViolations(ctx context.Context, q store.ViolationQuery) (flow.Time, error) {
	list, err := s.store.Violations(ctx, q)
	if err != nil || len(list) == 0 {
		return q.Since, err
	}
	slices.Reverse(list)
	newest := list[len(list)-1].Time
	if s.app.json {
		enc := json.NewEncoder(s.app.out)
		for i := range list {
			if err := enc.Encode(violationLine(&list[i])); err != nil {
				return newest, err
			}
		}
		return newest, nil
	}
	index, err := s.inventory(ctx)
	if err != nil {
		return newest, err
	}
	rows := make([][]string, 0, len(list))
	for i := range list {
		v := &list[i]
		rule := v.Rule
		if rule == "" {
			rule = "default"
		}
		rows = append(rows, []string{day(v.Time), v.Outcome.String(), partyName(index.Resolve(v.Client, v.Time), v.Client),
			partyName(index.Resolve(v.Server, v.Time), v.Server), v.Service.String(), v.Policy + "/" + rule, suppressed(v)})
	}
	return newest, table(s.app.out, []string{"TIME", "OUTCOME", "CLIENT", "SERVER", "SERVICE", "POLICY/RULE", ""}, rows)
}

func suppressed(v *policy.Violation) string {
	if v.Suppressed == 0 {
		return ""
	}
	return "and " + count(int(v.Suppressed), "more", "more")
}
