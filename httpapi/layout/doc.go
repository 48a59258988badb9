// Package layout places boxes: layered from client to server inside a container,
// in a grid where order says nothing, and containers side by side. It knows
// sizes and weights only, nothing of networks.
//
// The layered arrangement follows Sugiyama, Tagawa, Toda, "Methods for Visual
// Understanding of Hierarchical System Structures", IEEE Trans. SMC 11(2), 1981:
// break cycles, assign layers, order within layers by barycentre, then set
// coordinates, here by isotonic regression. It is deterministic.
package layout
