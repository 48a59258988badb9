package main

import "github.com/spf13/cobra"

// phase is one part of a project, and the verbs that serve it.
type phase struct {
	id, title string
	verbs     []*cobra.Command
}

// phases lists every verb of the command line under the phase of a project it
// serves; help shows them in this order.
func phases(a *app) []phase {
	return []phase{
		{"discover", "Discover: who talks to whom, over what", []*cobra.Command{
			importCmd(a), senseCmd(a), discoverCmd(a), exportersCmd(a), inventoryCmd(a), mapCmd(a), changesCmd(a), rhythmsCmd(a), pathCmd(a), labelsCmd(a), infrastructureCmd(a), groupsCmd(a),
		}},
		{"design", "Design: what may stay, and why", []*cobra.Command{
			recommendCmd(a), decideCmd(a), tightenCmd(a), policyCmd(a), simulateCmd(a), readinessCmd(a), reachCmd(a), exportCmd(a),
		}},
		{"enforce", "Monitor and enforce: nothing else passes, with a way back", []*cobra.Command{
			changeCmd(a), enforceCmd(a), confirmCmd(a), rollbackCmd(a), violationsCmd(a), agentCmd(a), gatewayCmd(a), hostsCmd(a), joinTokenCmd(a),
		}},
		{"run", "Run: the program itself", []*cobra.Command{
			serveCmd(a), demoCmd(a), statusCmd(a), historyCmd(a), checkCmd(a), scenarioCmd(a), versionCmd(a),
		}},
	}
}

// addVerbs puts every verb below root, grouped by phase.
func addVerbs(root *cobra.Command, a *app) {
	cobra.EnableCommandSorting = false
	for _, p := range phases(a) {
		root.AddGroup(&cobra.Group{ID: p.id, Title: p.title})
		for _, v := range p.verbs {
			v.GroupID = p.id
			root.AddCommand(v)
		}
	}
	root.SetHelpCommandGroupID("run")
	root.SetCompletionCommandGroupID("run")
}
