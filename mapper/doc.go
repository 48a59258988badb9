// Package mapper turns edges into a map: the dependency graph of workloads, the
// roles they play, the applications those roles add up to, the infrastructure
// they share, and proposals for the labels nobody has given yet.
//
// In come flow.Edges and flow.Probes of a window, names seen on the wire, the
// inventory's index, the previous map and what the operator decided; out goes a
// topology.Map. Build is a pure function: the same input in any order gives the
// same map, and there is no number for a user to guess.
//
// The pipeline, one file each: graph (parties to nodes), infrastructure
// (services shared by the unrelated), roles (structural equivalence), apps (the
// map equation on the graph of roles), naming and proposals, priorities. layout,
// diff, path and hygiene work on a finished map.
//
// Sources: Tan et al., "Role Classification of Hosts within Enterprise Networks
// Based on Connection Patterns", USENIX ATC 2003 (roles from who talks to whom);
// Rosvall and Bergstrom, "Maps of random walks on complex networks reveal
// community structure", PNAS 105(4), 2008, doi:10.1073/pnas.0706851105 (the
// objective for applications); Fortunato and Barthélemy, "Resolution limit in
// community detection", PNAS 104(1), 2007, doi:10.1073/pnas.0605965104 (why it is
// not modularity).
package mapper
