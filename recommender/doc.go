// Package recommender turns a map of dependencies into least-privilege policies
// with the evidence for every rule, replays any policy set over recorded traffic,
// and measures how far a compromise could spread.
//
// In come a topology.Map and the probes of its window; out go a
// policy.Recommendation, a policy.Simulation or a policy.Reach. Everything is a
// pure function: the same input gives the same output, byte for byte.
//
// Recommend works in five steps, one file each: workloads become groups of equal
// labels (groups), dependencies are sorted into legitimate ones and those a
// person must decide (concern), ports that programs pick at random are
// generalised where the evidence says so (dynamic), what is left becomes the
// smallest set of rules that covers exactly the group pairs seen (merge), and
// each rule gets its name, words and evidence (describe, evidence).
//
// Only established service counts. Unanswered, refused or denied attempts never
// become a rule.
package recommender
