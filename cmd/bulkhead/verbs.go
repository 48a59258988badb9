package main

import "github.com/spf13/cobra"

// verbs lists every verb of the command line, in the order of a project's phases.
func verbs(a *app) []*cobra.Command {
	return []*cobra.Command{
		importCmd(a), senseCmd(a), exportersCmd(a), inventoryCmd(a), mapCmd(a), changesCmd(a), pathCmd(a), labelsCmd(a),
		recommendCmd(a), decideCmd(a), tightenCmd(a), policyCmd(a), simulateCmd(a), readinessCmd(a), reachCmd(a), exportCmd(a),
		enforceCmd(a), confirmCmd(a), rollbackCmd(a), agentCmd(a), violationsCmd(a),
		statusCmd(a),
		serveCmd(a), demoCmd(a), scenarioCmd(a), checkCmd(a), versionCmd(a),
	}
}
