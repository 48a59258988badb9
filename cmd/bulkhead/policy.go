package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// policyCmd groups what is done with policy files. All but explain work without a
// store; with --map the recorded estate stands in for made-up workloads.
func policyCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Check, format, compare, explain, test and save policy files"}
	cmd.AddCommand(policyLint(a), policyFmt(a), policyDiff(a), policyExplain(a), policyTest(a), policySave(a))
	return cmd
}

// estateOf reads the workloads of the recorded map, or nothing without --map.
func (a *app) estateOf(ctx context.Context, use bool, f func(*topology.Map, *session) error) error {
	if !use {
		return f(nil, nil)
	}
	return a.with(ctx, func(s *session) error {
		m, _, err := s.estateMap(ctx)
		if err != nil {
			return err
		}
		return f(m, s)
	})
}

// parties are the map's workloads, nil without a map.
func workloadsOf(m *topology.Map) []policy.Party {
	if m == nil {
		return nil
	}
	return recommender.Workloads(m)
}

func policyLint(a *app) *cobra.Command {
	var useMap bool
	cmd := &cobra.Command{
		Use: "lint FILE", Short: "Find rules that do nothing, say too much or contradict each other", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			var found []policy.Lint
			err = a.estateOf(cmd.Context(), useMap, func(m *topology.Map, _ *session) error {
				var uses []policy.RuleUse
				if m != nil {
					sim, err := recommender.Simulate(set, m, nil, recommender.SimulateOptions{MaxRows: -1})
					if err != nil {
						return err
					}
					uses = sim.Rules
				}
				found = policy.Check(set, workloadsOf(m), uses)
				return nil
			})
			if err != nil {
				return err
			}
			return report(a, found)
		},
	}
	mapFlag(cmd, &useMap)
	return cmd
}

func mapFlag(cmd *cobra.Command, use *bool) {
	cmd.Flags().BoolVar(use, "map", false, "judge by the recorded estate instead of workloads made up from the selectors")
}

// report prints findings, one a line, and makes them the exit code.
func report[T fmt.Stringer](a *app, found []T) error {
	if a.json {
		if found == nil {
			found = []T{}
		}
		if err := a.printJSON(found); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			fmt.Fprintln(a.out, printable(f.String()))
		}
	}
	if len(found) > 0 {
		return errFinding
	}
	return nil
}

func policyFmt(a *app) *cobra.Command {
	var write bool
	cmd := &cobra.Command{
		Use: "fmt FILE...", Short: "Print policy files in canonical form; -w writes them back", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			for _, f := range files {
				set, err := readPolicy(f)
				if err != nil {
					return err
				}
				text := policy.Format(set)
				if !write {
					if _, err := a.out.Write(text); err != nil {
						return err
					}
					continue
				}
				if err := rewrite(f, text); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&write, "write", "w", false, "write the files back")
	return cmd
}

// rewrite replaces a file's content when it differs.
func rewrite(file string, text []byte) error {
	old, err := os.ReadFile(file)
	if err != nil || bytes.Equal(old, text) {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

func policyDiff(a *app) *cobra.Command {
	var useMap bool
	cmd := &cobra.Command{
		Use: "diff OLD NEW", Short: "Say in words who can newly reach what, and who no longer; exit code 3 when they differ", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			before, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			after, err := readPolicy(args[1])
			if err != nil {
				return err
			}
			return a.estateOf(cmd.Context(), useMap, func(m *topology.Map, _ *session) error {
				return report(a, policy.Diff(before, after, workloadsOf(m)))
			})
		},
	}
	mapFlag(cmd, &useMap)
	return cmd
}

func policyExplain(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "explain FILE CLIENT SERVER SERVICE", Short: "Say what becomes of one flow, and why, rule by rule", Args: cobra.ExactArgs(4),
		Long: "CLIENT and SERVER are names, ids or addresses of the map; SERVICE is like tcp/443.",
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			return a.estateOf(cmd.Context(), true, func(m *topology.Map, _ *session) error {
				facts, err := policy.ParseFlow(args[1:], func(word string) (policy.Party, error) { return partyNamed(m, word) })
				if err != nil {
					return usageError{err}
				}
				x := policy.Explain(set.Live(), facts) // a draft explains nothing
				if a.json {
					return a.printJSON(x)
				}
				_, err = fmt.Fprint(a.out, x.String())
				return err
			})
		},
	}
}

// partyNamed finds who a word means: something on the map, or a bare address.
func partyNamed(m *topology.Map, word string) (policy.Party, error) {
	if id, err := findNode(m, word); err == nil {
		for i := range m.Graph.Nodes {
			if m.Graph.Nodes[i].ID == id {
				return recommender.PartyOf(m, int32(i)), nil
			}
		}
	}
	addr, err := netip.ParseAddr(word)
	if err != nil {
		return policy.Party{}, fmt.Errorf("%q is neither on the map nor an address", word)
	}
	return policy.Party{Addr: addr}, nil
}

func policyTest(a *app) *cobra.Command {
	var useMap bool
	cmd := &cobra.Command{
		Use: "test FILE ASSERTIONS", Short: "Check assertions such as `dev cannot reach prod`; exit code 3 when one fails", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			data, err := os.ReadFile(args[1])
			if err != nil {
				return usageError{err}
			}
			list, err := policy.ParseAssertions(data, args[1])
			if err != nil {
				return usageError{err}
			}
			return a.estateOf(cmd.Context(), useMap, func(m *topology.Map, _ *session) error {
				failed := policy.RunAssertions(set, list, workloadsOf(m))
				lines := make([]failedAssertion, len(failed))
				for i, f := range failed {
					lines[i] = failedAssertion{args[1], f}
				}
				a.say("%d of %d assertions hold", len(list)-len(failed), len(list))
				return report(a, lines)
			})
		},
	}
	mapFlag(cmd, &useMap)
	return cmd
}

// failedAssertion prints a failure with its place.
type failedAssertion struct {
	File string `json:"file"`
	policy.Failure
}

func (f failedAssertion) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.File, f.Assertion.Line, f.Assertion.Text, f.Why)
}
