// Package topology is the noun "who is there": workloads with their labels and
// the intervals during which they held addresses, named networks outside, the
// graph of dependencies between them, and what the mapper makes of that graph:
// roles, applications and shared infrastructure.
//
// Types here are plain data, built whole and then left alone; a built Index or
// Graph is safe for concurrent readers.
package topology
