package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/change"
	"github.com/bulkhead/bulkhead/enforcer"
)

func changeConfirm(a *app) *cobra.Command {
	c := newChanging(a)
	return &cobra.Command{
		Use: "confirm", Short: "Make the part of a change that waits on this machine permanent", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var id string
			err := c.withEnforcer(func(f *enforcer.Enforcer) error {
				if p := f.Status().Pending; p != nil {
					id = p.Change
				}
				if err := f.Confirm(cmd.Context()); err != nil {
					return fmt.Errorf("confirm: %w", err)
				}
				c.say("confirmed")
				c.sayWatched(f.Status())
				return nil
			})
			if err != nil || id == "" {
				return err
			}
			c.recordSteps(cmd.Context(), id)
			return nil
		},
	}
}

func changeRollback(a *app) *cobra.Command {
	c := newChanging(a)
	cmd := &cobra.Command{
		Use: "rollback", Short: "Take the part that waits back, or return to an earlier version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var id string
			err := c.withEnforcer(func(f *enforcer.Enforcer) error {
				st := f.Status()
				from := st.Confirmed
				if st.Pending != nil {
					from = st.Pending
				}
				if st.Pending != nil && c.to != 0 {
					return usagef("rollback: version %d waits to be confirmed: confirm it, or roll it back without --to, first", st.Pending.Number)
				}
				if from != nil {
					id = from.Change
				}
				if err := f.Rollback(cmd.Context(), c.to, c.reason); err != nil {
					return fmt.Errorf("rollback: %w", err)
				}
				c.say("rolled back")
				return nil
			})
			if err != nil || id == "" {
				return err
			}
			c.recordSteps(cmd.Context(), id)
			return nil
		},
	}
	cmd.Flags().IntVar(&c.to, "to", 0, "the version to return to; default: the one before")
	cmd.Flags().StringVar(&c.reason, "reason", "", "why, for the record")
	return cmd
}

func changeStatus(a *app) *cobra.Command {
	c := newChanging(a)
	return &cobra.Command{
		Use: "status [ID]", Short: "Every change, or the plan of one and every step of it", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				c.catchUp(cmd.Context(), s)
				if len(args) == 0 {
					list, err := s.plannedChanges(cmd.Context())
					if err != nil {
						return err
					}
					return c.list(list)
				}
				ch, err := s.named(cmd.Context(), args)
				if err != nil {
					return err
				}
				return c.showPlan(&ch)
			})
		},
	}
}

// catchUp adds what happened on this machine by itself, and what could not be
// recorded when it was done. A machine that enforces nothing has nothing to add.
func (c *changing) catchUp(ctx context.Context, s *session) {
	if _, err := os.Stat(c.enforcerDir()); err != nil {
		return
	}
	err := c.withEnforcer(func(f *enforcer.Enforcer) error {
		journal, err := f.Journal()
		seen := map[string]bool{"": true}
		for _, j := range journal {
			if !seen[j.Change] {
				seen[j.Change] = true
				err = errors.Join(err, s.appendSteps(ctx, j.Change, c.sensorName(), journal))
			}
		}
		return err
	})
	if err != nil {
		c.log.Info("steps of this machine's journal not recorded", "error", err)
	}
}

func (c *changing) list(list []change.Change) error {
	if c.json {
		return c.printJSON(list)
	}
	rows := make([][]string, 0, len(list))
	for i := range list {
		ch := &list[i]
		rows = append(rows, []string{ch.ID, ch.State(), ch.Created.Local().Format(time.DateTime), ch.Author, count(len(ch.Segments), "part", "parts"),
			fmt.Sprint(ch.Forecast.Legitimate.Dependencies), ch.Reason})
	}
	return table(c.out, []string{"CHANGE", "STATE", "PLANNED", "BY", "PARTS", "WOULD BREAK", "WHY"}, rows)
}

// showPlan prints a change: what it does, its parts, its steps.
func (c *changing) showPlan(ch *change.Change) error {
	if c.json {
		return c.printJSON(ch)
	}
	fmt.Fprintf(c.out, "change %s: %s, planned %s by %s\n", ch.ID, ch.State(), ch.Created.Local().Format(time.DateTime), printable(ch.Author))
	if ch.Reason != "" {
		fmt.Fprintf(c.out, "why: %s\n", printable(ch.Reason))
	}
	fmt.Fprintf(c.out, "from policies %s to %.12s\n\nwho can reach what:\n", hashWords(ch.Base, ch.BaseHash), ch.Hash)
	c.bullets(ch.Effects, "nothing changes", 40)
	fmt.Fprintf(c.out, "\nin the kernel:\n")
	c.bullets(ch.Ruleset, "nothing changes", 12)
	if err := c.showForecast(&ch.Forecast); err != nil {
		return err
	}
	return c.showParts(ch)
}

func hashWords(base, hash string) string {
	if base == "" {
		return "none"
	}
	return fmt.Sprintf("%.12s", hash)
}

// bullets prints the first lines of a list and how many more there are.
func (c *changing) bullets(list []string, none string, most int) {
	if len(list) == 0 {
		fmt.Fprintf(c.out, "  %s\n", none)
	}
	for i, line := range list {
		if i == most {
			fmt.Fprintf(c.out, "  … and %d more (--json has all)\n", len(list)-most)
			return
		}
		fmt.Fprintf(c.out, "  %s\n", printable(strings.TrimRight(line, " ")))
	}
}

func (c *changing) showForecast(f *change.Forecast) error {
	fmt.Fprintf(c.out, "\nforecast over %s:\n", windowWords(f.Since, f.Until))
	if f.Until == 0 {
		fmt.Fprintln(c.out, "  none: the change is watched, and nothing is taken back by itself")
		return nil
	}
	fmt.Fprintf(c.out, "  breaks %d connections of %d dependencies that look legitimate\n  closes %d connections of %d that wait for a decision or were denied one\n  stops %d attempts of %d that nobody answered\n",
		f.Legitimate.Connections, f.Legitimate.Dependencies, f.Expected.Connections, f.Expected.Dependencies, f.Stopped.Connections, f.Stopped.Dependencies)
	if len(f.Violations) == 0 {
		return nil
	}
	rows := make([][]string, 0, len(f.Violations))
	for _, v := range f.Violations[:min(len(f.Violations), 20)] {
		rows = append(rows, []string{v.Client, v.Server, v.Service.String(), fmt.Sprint(v.Connections), v.Policy, string(v.Concern)})
	}
	fmt.Fprintln(c.out, "\nviolations to expect:")
	return table(c.out, []string{"CLIENT", "SERVER", "SERVICE", "CONNECTIONS", "POLICY", "CONCERN"}, rows)
}

func (c *changing) showParts(ch *change.Change) error {
	rows := make([][]string, 0, len(ch.Segments))
	for i, s := range ch.Segments {
		rows = append(rows, []string{fmt.Sprint(i + 1), s.Policy, string(s.Kind), fmt.Sprintf("%.1f", s.Risk), fmt.Sprint(s.Workloads),
			strings.Join(s.Canary, " "), strings.Join(s.Why, "; ")})
	}
	fmt.Fprintln(c.out, "\nparts, the least risky first:")
	if err := table(c.out, []string{"PART", "POLICY", "WHAT", "RISK", "WORKLOADS", "CANARY", "WHY"}, rows); err != nil {
		return err
	}
	rows = rows[:0]
	for _, s := range ch.Steps {
		rows = append(rows, []string{s.Time.Local().Format(time.DateTime), s.Event, s.Host, fmt.Sprint(s.Segment), s.By, fmt.Sprintf("%.12s", s.Hash), s.Why})
	}
	fmt.Fprintln(c.out, "\nsteps:")
	return table(c.out, []string{"TIME", "STEP", "MACHINE", "PART", "BY", "POLICIES", "WHY"}, rows)
}
