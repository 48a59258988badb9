package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/internal/inventory"
	"github.com/bulkhead/bulkhead/topology"
)

func inventoryCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "inventory", Short: "Who is there: workloads, their addresses over time, named networks"}
	var dryRun, yes, merge bool
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
				base, err := s.load(cmd.Context(), docInventory, docOnly, &before)
				if err != nil {
					return err
				}
				if merge {
					next = inventory.Merge(&before, next)
				}
				diff := inventory.Diff(&before, next)
				a.printLines(diff)
				if len(diff) == 0 && sameJSON(&before, next) {
					return nil
				}
				if ok, err := a.confirmed(dryRun, yes); !ok {
					return err
				}
				return s.saveInventory(cmd.Context(), next, base, author(), "imported "+args[0])
			})
		},
	}
	imp.Flags().BoolVar(&merge, "merge", false, "keep what is there; add workloads, addresses and missing labels")
	imp.Flags().StringVar(&format, "format", "", "format of the file")
	imp.Flags().StringVar(&rules, "rules", "", "YAML file of label rules: host name pattern or subnet to labels")
	applyFlags(imp, &dryRun, &yes)
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
	cmd.AddCommand(imp, show, inventoryClaim(a), inventoryPropose(a))
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

// sameJSON says whether two inventories would be stored alike.
func sameJSON(a, b *topology.Inventory) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}
