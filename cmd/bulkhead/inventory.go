package main

import (
	"bytes"
	"encoding/json"
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
				if dryRun || len(diff) == 0 && sameJSON(&before, next) {
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
	if len(bytes.TrimSpace(data)) == 0 { // what a command that failed leaves behind
		return nil, usagef("%s: is empty; an inventory of nobody is written `workloads: []`", file)
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

// inventoryDiff says in lines what workloads and networks come, go and change.
func inventoryDiff(old, new *topology.Inventory) []string {
	lines := diffLines(old.Workloads, new.Workloads, func(w *topology.Workload) (string, string) { return w.ID, workloadLine(w) })
	return append(lines, diffLines(old.Networks, new.Networks, func(n *topology.Network) (string, string) {
		return n.Name, strings.TrimSpace(fmt.Sprintf("network %s %v %v inside=%v [%s]", n.Name, n.Prefixes, n.Domains, n.Inside, n.Labels))
	})...)
}

// diffLines compares two lists by the key and the line that of gives for an element.
func diffLines[T any](old, new []T, of func(*T) (key, line string)) []string {
	before := map[string]string{}
	for i := range old {
		key, line := of(&old[i])
		before[key] = line
	}
	var lines []string
	for i := range new {
		key, line := of(&new[i])
		switch was, known := before[key]; {
		case !known:
			lines = append(lines, "+ "+line)
		case was != line:
			lines = append(lines, "- "+was, "+ "+line)
		}
		delete(before, key)
	}
	for i := range old {
		key, _ := of(&old[i])
		if line, gone := before[key]; gone {
			lines = append(lines, "- "+line)
		}
	}
	return lines
}

// sameJSON says whether two inventories would be stored alike.
func sameJSON(a, b *topology.Inventory) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
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
