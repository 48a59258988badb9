package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
)

func simulateCmd(a *app) *cobra.Command {
	var w window
	var rows int
	var fail, expand bool
	cmd := &cobra.Command{
		Use: "simulate POLICY", Short: "Replay a policy over recorded traffic: what it allows, would break, never uses, stops",
		Long: `Judges every dependency of the window as if each policy of the file were enforced.
What would break is folded by the decision it waits for; --expand lists it
dependency by dependency. With --fail the exit code is 3 when anything would break that looks legitimate.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if rows < 0 {
				return usagef("--rows %d: want 0 or more", rows)
			}
			set, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			var sim *policy.Simulation
			err = a.with(cmd.Context(), func(s *session) error {
				m, probes, err := s.windowMap(cmd.Context(), &w)
				if err != nil {
					return err
				}
				sim, err = recommender.Simulate(set, m, probes, recommender.SimulateOptions{MaxRows: maxRows(rows)})
				return err
			})
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(sim)
			} else {
				err = writeSimulation(a.out, sim, expand || cmd.Flags().Changed("rows"))
			}
			if err == nil && fail && sim.Legitimate.Dependencies > 0 {
				err = errFinding
			}
			return err
		},
	}
	w.flags(cmd)
	cmd.Flags().IntVar(&rows, "rows", 50, "most dependencies of each class to list, with --expand or --json")
	cmd.Flags().BoolVar(&expand, "expand", false, "list what would break dependency by dependency")
	cmd.Flags().BoolVar(&fail, "fail", false, "exit with 3 when something legitimate would break")
	return cmd
}

var classWords = [4]string{"allowed and seen", "would break", "allowed, never used", "stopped probes"}

// maxRows is what SimulateOptions call that many rows.
func maxRows(rows int) int {
	if rows == 0 {
		return -1
	}
	return rows
}

func writeSimulation(w io.Writer, sim *policy.Simulation, expand bool) error {
	fmt.Fprintf(w, "policy %.12s over %s to %s\n\n", sim.Hash, day(sim.Since), day(sim.Until))
	var rows [][]string
	for c, t := range sim.Totals {
		rows = append(rows, []string{classWords[c], fmt.Sprint(t.Dependencies), fmt.Sprint(t.Connections), byteSize(int64(t.Bytes))})
	}
	if err := table(w, []string{"", "DEPENDENCIES", "CONNECTIONS", "BYTES"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nof what would break, %d dependencies (%d connections) look legitimate;\n%d (%d) are scans, vendor access and the like, which wait for a decision\n",
		sim.Legitimate.Dependencies, sim.Legitimate.Connections, sim.Expected.Dependencies, sim.Expected.Connections)
	fmt.Fprintf(w, "untouched by any policy: %d connections\n", sim.Untouched)
	list := writeBreaks
	if expand {
		list = writeSimRows
	}
	if err := list(w, sim); err != nil {
		return err
	}
	return writeRuleUse(w, sim)
}

// writeBreaks lists what would break by the decision it waits for.
func writeBreaks(w io.Writer, sim *policy.Simulation) error {
	if len(sim.Breaks) == 0 {
		fmt.Fprintln(w, "nothing that was established in this window would break")
		return nil
	}
	rows := make([][]string, 0, len(sim.Breaks))
	for _, b := range sim.Breaks {
		services := make([]string, 0, len(b.Services))
		for _, s := range b.Services {
			services = append(services, s.String())
		}
		if more := len(services) - 3; more > 0 {
			services = append(services[:3], fmt.Sprintf("%d more", more))
		}
		rows = append(rows, []string{cmp.Or(string(b.Concern), "legitimate"), shortened(b.What, 70), strings.Join(services, " "), fmt.Sprint(b.Dependencies),
			fmt.Sprint(b.Connections), day(b.Last), cmp.Or(b.Decision, "-")})
	}
	fmt.Fprintln(w, "\nwould break (--expand for each dependency; `bulkhead decide DECISION allow|deny|watch`):")
	return table(w, []string{"CONCERN", "WHAT", "SERVICES", "DEPENDENCIES", "CONNECTIONS", "LAST SEEN", "DECISION"}, rows)
}

// shortened cuts text to n characters, the last of them an ellipsis.
func shortened(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func writeSimRows(w io.Writer, sim *policy.Simulation) error {
	var rows [][]string
	for i := range sim.Rows {
		r := &sim.Rows[i]
		if r.Class != policy.ClassWouldBreak {
			continue
		}
		rows = append(rows, []string{sim.Nodes[r.Dep.Client].Name, sim.Nodes[r.Dep.Server].Name, r.Dep.Service.String(),
			fmt.Sprint(r.Connections), day(r.Dep.Last), cmp.Or(string(r.Concern), "legitimate"), cmp.Or(r.Decision, "-"), r.Verdict.Why})
	}
	switch total := sim.Totals[policy.ClassWouldBreak].Dependencies; {
	case total == 0:
		fmt.Fprintln(w, "nothing that was established in this window would break")
		return nil
	case len(rows) < total:
		fmt.Fprintf(w, "\nwould break, the busiest %d of %d (--rows for more):\n", len(rows), total)
	default:
		fmt.Fprintln(w, "\nwould break:")
	}
	return table(w, []string{"CLIENT", "SERVER", "SERVICE", "CONNECTIONS", "LAST SEEN", "CONCERN", "DECISION", "WHY"}, rows)
}

func writeRuleUse(w io.Writer, sim *policy.Simulation) error {
	rows := make([][]string, 0, len(sim.Rules))
	for _, r := range sim.Rules {
		rows = append(rows, []string{r.Policy, r.Rule, fmt.Sprint(r.Connections), fmt.Sprint(r.Deps), day(r.LastHit)})
	}
	fmt.Fprintln(w)
	return table(w, []string{"POLICY", "RULE", "CONNECTIONS", "DEPENDENCIES", "LAST HIT"}, rows)
}
