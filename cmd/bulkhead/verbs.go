package main

import "github.com/spf13/cobra"

// verbs lists every verb of the command line, in the order of a project's phases.
func verbs(a *app) []*cobra.Command {
	return []*cobra.Command{
		importCmd(a), senseCmd(a), mapCmd(a), recommendCmd(a), simulateCmd(a), reachCmd(a), exportCmd(a), enforceCmd(a),
		inventoryCmd(a), scenarioCmd(a),
		serveCmd(a), demoCmd(a), checkCmd(a), versionCmd(a),
	}
}
