package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// checkFile parses a file as what it says it is and returns that in words.
func checkFile(file string) (kind string, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	docs, err := strictyaml.Documents(data, file)
	if err != nil {
		return "", err
	}
	keys := map[string]bool{}
	for _, d := range docs {
		for i := 0; i+1 < len(d.Content); i += 2 {
			keys[d.Content[i].Value] = true
		}
	}
	switch {
	case keys["apiVersion"]:
		set, err := policy.Parse(data, file)
		if err != nil {
			return "", err
		}
		return "policy: " + count(len(set.Policies), "policy", "policies"), nil
	case keys["workloads"]:
		var inv topology.Inventory
		if err := strictyaml.Decode(data, file, &inv); err != nil {
			return "", err
		}
		if _, err := topology.NewIndex(&inv); err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
		return "inventory: " + count(len(inv.Workloads), "workload", "workloads"), nil
	}
	cfg, err := config.Load(file)
	if err != nil {
		return "", err
	}
	if _, err := collectorOptions(cfg.Collector); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return "configuration", nil
}

// checked is a file in which nothing is wrong.
type checked struct {
	File string `json:"file"`
	Kind string `json:"kind"` // "policy: 2 policies"
}

func checkCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "check FILE...", Short: "Check configuration, inventory and policy files without starting anything",
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			good := []checked{}
			for _, f := range files {
				kind, err := checkFile(f)
				if err != nil {
					return usageError{err}
				}
				good = append(good, checked{f, kind})
				if !a.json {
					fmt.Fprintf(a.out, "%s: good %s\n", f, kind)
				}
			}
			if a.json {
				return a.printJSON(good)
			}
			return nil
		},
	}
}
