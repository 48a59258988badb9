package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
)

func simulateCmd(a *app) *cobra.Command {
	var w window
	var rows int
	var fail bool
	cmd := &cobra.Command{
		Use: "simulate POLICY", Short: "Replay a policy over recorded traffic: what it allows, would break, never uses, stops",
		Long: `Judges every dependency of the window as if each policy of the file were enforced.
With --fail the exit code is 3 when anything would break that looks legitimate.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
				sim, err = recommender.Simulate(set, m, probes, recommender.SimulateOptions{MaxRows: rows})
				return err
			})
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(sim)
			} else {
				err = writeSimulation(a.out, sim)
			}
			if err == nil && fail && sim.Legitimate.Dependencies > 0 {
				err = errFinding
			}
			return err
		},
	}
	w.flags(cmd)
	cmd.Flags().IntVar(&rows, "rows", 50, "dependencies to list")
	cmd.Flags().BoolVar(&fail, "fail", false, "exit with 3 when something legitimate would break")
	return cmd
}

var classWords = [4]string{"allowed and seen", "would break", "allowed, never used", "stopped probes"}

func writeSimulation(w io.Writer, sim *policy.Simulation) error {
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
	if err := writeSimRows(w, sim); err != nil {
		return err
	}
	return writeRuleUse(w, sim)
}

func writeSimRows(w io.Writer, sim *policy.Simulation) error {
	var rows [][]string
	for i := range sim.Rows {
		r := &sim.Rows[i]
		if r.Class != policy.ClassWouldBreak {
			continue
		}
		rows = append(rows, []string{sim.Nodes[r.Dep.Client].Name, sim.Nodes[r.Dep.Server].Name, r.Dep.Service.String(),
			fmt.Sprint(r.Connections), day(r.Dep.Last), string(r.Concern), r.Verdict.Why})
	}
	if len(rows) == 0 {
		fmt.Fprintln(w, "nothing that was established in this window would break")
		return nil
	}
	fmt.Fprintln(w, "\nwould break:")
	return table(w, []string{"CLIENT", "SERVER", "SERVICE", "CONNECTIONS", "LAST SEEN", "CONCERN", "WHY"}, rows)
}

func writeRuleUse(w io.Writer, sim *policy.Simulation) error {
	rows := make([][]string, 0, len(sim.Rules))
	for _, r := range sim.Rules {
		rows = append(rows, []string{r.Policy, r.Rule, fmt.Sprint(r.Connections), fmt.Sprint(r.Deps), day(r.LastHit)})
	}
	fmt.Fprintln(w)
	return table(w, []string{"POLICY", "RULE", "CONNECTIONS", "DEPENDENCIES", "LAST HIT"}, rows)
}
