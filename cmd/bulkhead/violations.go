package main

import (
	"cmp"
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
	p := proposing{app: a}
	cmd := &cobra.Command{
		Use: "violations", Short: "What enforcement points blocked, or would have blocked, newest last", Args: cobra.NoArgs,
		Long: `Lists what was blocked, or would have been in monitor, as reported by this machine's
and other enforcement points.

--propose POLICY says what to do about it: traffic that discovery missed and that
is established, legitimate service becomes a rule of that policy file, with its
evidence; the rest is put before you as decisions. With -o the file with the
proposed rules is written (those named with --accept, or all), and the difference
is said in words.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.Limit < 1 {
				return usagef("--limit %d: want one or more", q.Limit)
			}
			if p.file == "" && (p.out != "" || len(p.accept) > 0) {
				return usagef("violations: -o and --accept go with --propose POLICY")
			}
			if p.file != "" && follow {
				return usagef("violations: --propose and --follow do not go together")
			}
			if since != "" {
				at, err := parseInstant(since, flow.TimeOf(time.Now()))
				if err != nil {
					return usagef("--since: %v", err)
				}
				q.Since = at
			}
			return a.with(cmd.Context(), func(s *session) error {
				if p.file != "" {
					return p.run(cmd.Context(), s, q)
				}
				seen := newlyShown{}
				if err := s.printViolations(cmd.Context(), q, &seen); err != nil || !follow {
					return err
				}
				return s.followViolations(cmd.Context(), q, &seen)
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "from: 1h, 7d (back from now), 2026-11-01 or RFC 3339")
	cmd.Flags().StringVar(&q.Policy, "policy", "", "of this policy only")
	cmd.Flags().BoolVar(&q.EnforcedOnly, "blocked", false, "only what was blocked, not what would have been")
	cmd.Flags().IntVar(&q.Limit, "limit", 100, "how many, the newest")
	cmd.Flags().StringVar(&p.file, "propose", "", "the policy file in force: say which rules would let pass what is legitimate")
	cmd.Flags().StringVarP(&p.out, "output", "o", "", "with --propose: write the file with the proposed rules")
	cmd.Flags().StringSliceVar(&p.accept, "accept", nil, "with -o: only these proposals, as POLICY/RULE; default: all")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until stopped")
	return cmd
}

// How --follow looks for more. Reports of other machines come late, and clocks
// differ: it looks back a while, and shows nothing twice.
const (
	followEvery = time.Second
	followBack  = 2 * time.Minute
	followLimit = 100000 // new ones shown at a time
)

// newlyShown remembers what has been shown, for as long as --follow looks back.
type newlyShown struct {
	newest flow.Time
	shown  map[policy.Violation]bool
}

// keep returns those of list, oldest first, that have not been shown.
func (n *newlyShown) keep(list []policy.Violation) (out []policy.Violation) {
	if n.shown == nil {
		n.shown = map[policy.Violation]bool{}
	}
	for _, v := range list {
		if !n.shown[v] {
			n.shown[v] = true
			out = append(out, v)
		}
		n.newest = max(n.newest, v.Time)
	}
	for v := range n.shown {
		if v.Time < n.newest.Add(-2*followBack) {
			delete(n.shown, v)
		}
	}
	return out
}

func (s *session) followViolations(ctx context.Context, q store.ViolationQuery, seen *newlyShown) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	q.Limit = followLimit
	if seen.newest == 0 {
		seen.newest = max(q.Since, flow.TimeOf(time.Now()))
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		q.Since = max(q.Since, seen.newest.Add(-followBack))
		if err := s.printViolations(ctx, q, seen); err != nil {
			return err
		}
	}
}

// printViolations prints those not shown yet, oldest first.
func (s *session) printViolations(ctx context.Context, q store.ViolationQuery, seen *newlyShown) error {
	list, err := s.store.Violations(ctx, q)
	if err != nil {
		return err
	}
	slices.Reverse(list)
	if list = seen.keep(list); len(list) == 0 {
		return nil
	}
	if s.app.json {
		enc := json.NewEncoder(s.app.out)
		for i := range list {
			if err := enc.Encode(violationLine(&list[i])); err != nil {
				return err
			}
		}
		return nil
	}
	index, err := s.inventory(ctx)
	if err != nil {
		return err
	}
	rows := make([][]string, 0, len(list))
	for i := range list {
		v := &list[i]
		rows = append(rows, []string{day(v.Time), v.Outcome.String(), partyName(index.Resolve(v.Client, v.Time), v.Client),
			partyName(index.Resolve(v.Server, v.Time), v.Server), v.Service.String(), v.Policy + "/" + cmp.Or(v.Rule, "default"), v.Process, suppressed(v)})
	}
	return table(s.app.out, []string{"TIME", "OUTCOME", "CLIENT", "SERVER", "SERVICE", "POLICY/RULE", "PROGRAM", ""}, rows)
}

func suppressed(v *policy.Violation) string {
	if v.Suppressed == 0 {
		return ""
	}
	return "and " + count(int(v.Suppressed), "more", "more")
}
