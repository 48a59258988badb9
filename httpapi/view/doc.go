// Package view turns a topology.Map into what can be drawn: boxes inside boxes,
// links between them, never more than a few hundred of either, and the details
// behind one of them.
//
// Applications are the outer boxes, roles the middle ones, workloads the inner
// ones; a box is opened only when the query says so, so that the answer stays
// small whatever the size of the estate. Shared infrastructure is folded into one
// box per kind, and the outside world into its named networks and the internet.
// Everything here is a pure function of the map and the query: same input, same
// bytes.
package view
