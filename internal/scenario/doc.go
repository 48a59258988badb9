// Package scenario generates a demonstration estate: the workloads of a retail
// chain, the traffic between them over several days, and the ground truth about
// both. It feeds demonstrations, tests and the truth measurements; the product
// itself never depends on it.
//
// In goes a scenario file (testdata/scenarios) and Options: a seed, a size, a
// start, and kinds of noise. Out come, for the same input always the same bytes:
//
//   - Estate.Inventory: what an asset database would know;
//   - Estate.Flows, Edges and Names: what a perfect sensor would report;
//   - Estate.WritePcap, WriteNetFlow9, WriteIPFIX …: captures of that traffic as
//     packets or as exports of the routers that saw it;
//   - Estate.Truth: who is what, which edges are real, which are legitimate.
//
// An estate is built in three steps. Roles are multiplied into workloads
// (population.go), the scenario's flow lines into links, one per client, server
// and service (links.go), and each link into flows by its schedule (schedule.go).
// A flow is a pure function of seed, link, day and number, so nothing is kept
// that can be recomputed: Edges over a million links needs no memory for flows.
package scenario
