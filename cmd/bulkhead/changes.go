package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

func changesCmd(a *app) *cobra.Command {
	var w window
	var all bool
	cmd := &cobra.Command{
		Use: "changes", Short: "What is new on the map since a moment: workloads, dependencies, applications", Args: cobra.NoArgs,
		Long: "Without --since: since the last Monday that is at least a day before the newest record.\nEverything recorded before counts as known, however long ago.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				d, since, err := s.changes(cmd.Context(), &w)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(d)
				}
				return writeChanges(a.out, d, since, all)
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "list every new thing, not the first twenty of each kind")
	return cmd
}

// changes compares what was recorded until a moment with all of it.
func (s *session) changes(ctx context.Context, w *window) (*mapper.Difference, flow.Time, error) {
	ref, _, err := s.estateMap(ctx)
	if err != nil {
		return nil, 0, err
	}
	first, newest, err := s.recorded(ctx)
	if err != nil {
		return nil, 0, err
	}
	if w.since == "" {
		w.since = defaultSince(first, newest).Std().Format(time.RFC3339)
	}
	since, until, err := w.resolve(newest, s.app.cfg.Map.Window)
	if err != nil {
		return nil, 0, err
	}
	if since <= first {
		return nil, 0, usagef("changes: nothing was recorded before %s; the first record is of %s", day(since), day(first))
	}
	before, _, err := s.project(ctx, ref, first, since)
	if err != nil {
		return nil, 0, err
	}
	after, _, err := s.project(ctx, ref, first, until)
	if err != nil {
		return nil, 0, err
	}
	d := mapper.Since(before, after, since)
	return &d, since, nil
}

// defaultSince is the last Monday that is at least a day before the newest record,
// or one that is not, or the last day: the first that something was recorded before.
func defaultSince(first, newest flow.Time) flow.Time {
	dayBefore := newest.Add(-24 * time.Hour)
	for _, t := range []flow.Time{monday(dayBefore), monday(newest)} {
		if t > first.Add(time.Hour) {
			return t
		}
	}
	return dayBefore
}

// monday is midnight of t's Monday, UTC.
func monday(t flow.Time) flow.Time {
	at := t.Std()
	at = at.AddDate(0, 0, -(int(at.Weekday())+6)%7)
	return flow.TimeOf(at.Truncate(24 * time.Hour))
}

// headlineWords is how much of what changed stands in the first sentence.
const headlineWords = 6

// shownChanges bounds each list of what changed.
const shownChanges = 20

// writeChanges prints one sentence, then what it counts.
func writeChanges(w io.Writer, d *mapper.Difference, since flow.Time, all bool) error {
	headline := "nothing new"
	if n := len(d.Words); n > 0 {
		headline = strings.Join(d.Words[:min(n, headlineWords)], ", ")
		if n > headlineWords {
			headline += ", …"
		}
	}
	fmt.Fprintf(w, "since %s: %s\n", since.Std().Format("Monday 2006-01-02 15:04"), printable(headline))
	limit := shownChanges
	if all {
		limit = math.MaxInt
	}
	listed(w, "in words", d.Words[min(headlineWords, len(d.Words)):], limit)
	listed(w, "new workloads", d.NewNodes, limit)
	listed(w, "new outside", d.NewOutside, limit)
	listed(w, "new dependencies", dependencyWords(d.NewDependencies), limit)
	listed(w, "fell silent", dependencyWords(d.Quiet), limit)
	return nil
}

func dependencyWords(list []mapper.DependencyName) []string {
	out := make([]string, 0, len(list))
	for _, d := range list {
		out = append(out, d.Client+" → "+d.Server+" "+d.Service.String())
	}
	return out
}

// listed prints a list under a heading, at most limit of it.
func listed(w io.Writer, heading string, list []string, limit int) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", heading)
	for _, s := range list[:min(limit, len(list))] {
		fmt.Fprintln(w, "  "+printable(s))
	}
	if n := len(list) - limit; n > 0 {
		fmt.Fprintf(w, "  and %d more; --all lists them\n", n)
	}
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
