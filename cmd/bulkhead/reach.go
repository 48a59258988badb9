package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

func reachCmd(a *app) *cobra.Command {
	var w window
	var file, rule string
	var allowed bool
	cmd := &cobra.Command{
		Use: "reach [NODE]", Short: "How far a compromise of a workload or network spreads, hop by hop, today or under a policy",
		Long: `NODE is a name, id or address of the map, or labels such as app=payments,env=prod.
Without one, the whole estate: the share of the others that a workload reaches on
average and at worst; with --rule, what one rule of the policy adds to that.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var set *policy.Set
			var err error
			if file != "" {
				if set, err = readPolicy(file); err != nil {
					return err
				}
			}
			return a.with(cmd.Context(), func(s *session) error {
				m, _, err := s.windowMap(cmd.Context(), &w)
				if err != nil {
					return err
				}
				if len(args) == 0 {
					return a.writeExposure(a.out, m, set, rule)
				}
				from, err := reachFrom(m, args[0])
				if err != nil {
					return err
				}
				radius := recommender.BlastRadius
				if allowed {
					radius = recommender.PotentialRadius
				}
				r, err := radius(m, set, from)
				if errors.Is(err, recommender.ErrNoSuchNode) {
					return usageError{err}
				}
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(r)
				}
				return writeReach(a.out, m, r)
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&allowed, "allowed", false, "over everything that is allowed, seen or not: an upper bound")
	cmd.Flags().StringVar(&rule, "rule", "", "without NODE: POLICY/RULE whose contribution to show")
	cmd.Flags().StringVar(&file, "policy", "", "as it would be under this policy, enforced")
	return cmd
}

// reachFrom is a node of the map, or labels.
func reachFrom(m *topology.Map, word string) (string, error) {
	if strings.Contains(word, "=") {
		_, err := parseLabels(word)
		if err != nil {
			return "", usageError{err}
		}
		return word, nil
	}
	return findNode(m, word)
}

// findNode finds a node by id, name or address.
func findNode(m *topology.Map, word string) (string, error) {
	var near, holders []string
	for i := range m.Graph.Nodes {
		n := &m.Graph.Nodes[i]
		if n.ID == word || n.Name == word || n.ID == "net:"+word {
			return n.ID, nil
		}
		for _, a := range n.Addrs {
			if a.String() == word {
				holders = append(holders, n.ID)
			}
		}
		if strings.Contains(n.ID, word) && len(near) < 5 {
			near = append(near, n.ID)
		}
	}
	if len(holders) == 1 {
		return holders[0], nil
	}
	if len(holders) > 1 {
		return "", usagef("several hold %s: %s; say which", word, strings.Join(holders[:min(len(holders), 5)], ", "))
	}
	if len(near) > 0 {
		return "", usagef("nothing on the map is called %q; near: %s", word, strings.Join(near, ", "))
	}
	return "", usagef("nothing on the map is called %q or has it as an address", word)
}

func writeReach(w io.Writer, m *topology.Map, r *policy.Reach) error {
	fmt.Fprintf(w, "%s reaches %d of %d workloads\n", printable(r.From), r.Reachable, r.Inside)
	for i, n := range r.ByHop {
		fmt.Fprintf(w, "  hop %d: %d\n", i+1, n)
	}
	if len(r.Paths) == 0 {
		_, err := fmt.Fprintln(w, "no path to a critical workload")
		return err
	}
	fmt.Fprintln(w, "shortest paths to critical workloads:")
	for _, p := range r.Paths {
		fmt.Fprintf(w, "  %s\n", printable(pathWords(m, p)))
	}
	return nil
}

func pathWords(m *topology.Map, p policy.AttackPath) string {
	var b strings.Builder
	for i, n := range p.Nodes {
		if i > 0 {
			fmt.Fprintf(&b, " → %s → ", p.Services[i-1])
		}
		b.WriteString(m.Graph.Nodes[n].Name)
	}
	return b.String()
}
