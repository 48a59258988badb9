package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/internal/inventory"
	"github.com/bulkhead/bulkhead/topology"
)

func inventoryCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "inventory", Short: "Who is there: workloads, their addresses over time, named networks"}
	var dryRun, merge bool
	var format, rules string
	imp := &cobra.Command{
		Use: "import FILE", Short: "Replace the inventory by a file, or merge one into it; nothing is applied unless all of it is good", Args: cobra.ExactArgs(1),
		Long: "Formats, guessed from name and content unless --format says: " + strings.Join(inventory.Formats(), ", ") + ".",
		RunE: func(cmd *cobra.Command, args []string) error {
			next, err := readInventoryAs(args[0], format, rules)
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *session) error {
				var before topology.Inventory
				if _, err := s.load(cmd.Context(), docInventory, docOnly, &before); err != nil {
					return err
				}
				if merge {
					next = inventory.Merge(&before, next)
				}
				diff := inventoryDiff(&before, next)
				for _, l := range diff {
					fmt.Fprintln(a.out, printable(l))
				}
				if dryRun || len(diff) == 0 && len(before.Networks) == len(next.Networks) {
					return nil
				}
				return s.saveInventory(cmd.Context(), next, "imported "+args[0])
			})
		},
	}
	imp.Flags().BoolVar(&merge, "merge", false, "keep what is there; add workloads, addresses and missing labels")
	imp.Flags().StringVar(&format, "format", "", "format of the file")
	imp.Flags().StringVar(&rules, "rules", "", "YAML file of label rules: host name pattern or subnet to labels")
	imp.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change, change nothing")
	show := &cobra.Command{
		Use: "show", Short: "Print the inventory as YAML", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				var inv topology.Inventory
				if _, err := s.load(cmd.Context(), docInventory, docOnly, &inv); err != nil {
					return err
				}
				if a.json {
					return a.printJSON(inv)
				}
				return yaml.NewEncoder(a.out).Encode(inv)
			})
		},
	}
	cmd.AddCommand(imp, show)
	return cmd
}

func readInventory(file string) (*topology.Inventory, error) { return readInventoryAs(file, "", "") }

// readInventoryAs reads a file in a format ("": guessed) and applies label rules.
func readInventoryAs(file, format, rules string) (*topology.Inventory, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError{err}
	}
	inv, err := inventory.Read(data, file, format)
	if err != nil {
		return nil, usageError{err}
	}
	if rules == "" {
		return inv, nil
	}
	text, err := os.ReadFile(rules)
	if err != nil {
		return nil, usageError{err}
	}
	r, err := inventory.ReadRules(text, rules)
	if err != nil {
		return nil, usageError{err}
	}
	r.Apply(inv)
	return inv, nil
}

// inventoryDiff says in lines what workloads come, go and change.
func inventoryDiff(old, new *topology.Inventory) []string {
	before := map[string]string{}
	for i := range old.Workloads {
		before[old.Workloads[i].ID] = workloadLine(&old.Workloads[i])
	}
	var lines []string
	for i := range new.Workloads {
		w := &new.Workloads[i]
		line := workloadLine(w)
		switch was, known := before[w.ID]; {
		case !known:
			lines = append(lines, "+ "+line)
		case was != line:
			lines = append(lines, "- "+was, "+ "+line)
		}
		delete(before, w.ID)
	}
	for i := range old.Workloads {
		if line, gone := before[old.Workloads[i].ID]; gone {
			lines = append(lines, "- "+line)
		}
	}
	return lines
}

func workloadLine(w *topology.Workload) string {
	var addrs []string
	for _, a := range w.Addresses {
		s := a.Addr.String()
		if !a.From.IsZero() || !a.To.IsZero() {
			s += fmt.Sprintf(" (%s–%s)", a.From.Format("2006-01-02T15:04"), a.To.Format("2006-01-02T15:04"))
		}
		addrs = append(addrs, s)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s [%s] %s", w.ID, w.Name, w.Labels, strings.Join(addrs, ", ")))
}
