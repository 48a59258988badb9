// Package policy is the noun "what is allowed": label-based rules grouped into
// policies, the set of policies in force, and the one meaning they have.
//
// Evaluate is that single meaning. Simulation, the dashboard's explanations,
// every export and the compiled kernel ruleset must agree with it, and tests
// prove that they do.
package policy
