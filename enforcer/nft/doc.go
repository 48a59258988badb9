// Package nft compiles a policy.Set for one host into an nftables ruleset and
// puts it into the kernel.
//
// Compile is pure: the same set and host give the same Ruleset, byte for byte. A
// Ruleset is plain data; its String is nft's language. Apply brings the
// kernel to a Ruleset, at one instant, and reads it back.
//
// What a packet meets, in table inet bulkhead:
//
//  1. a packet of a known connection is accepted at once;
//  2. the address of the protected end leads to its identity (whom the policies
//     cannot tell apart have one), that to its group (identities with the same
//     policies and rules share one), and the peer's address to its identity;
//  3. a hash of group . peer identity . protocol . port decides; then maps of
//     peers to whom more than exact ports apply, and of circles of peers; then
//     the group's small interval maps for networks; then its default.
//
// So the cost of a packet depends neither on the number of rules nor of
// workloads, and a changed address or label is a set element, not a reload.
// Rulesets that must be loaded from text have addresses in place of identities.
//
// Only drop is ever final: everything else falls off the end of a chain whose
// policy is accept, so that other tables keep their say and a half-loaded table
// blocks nothing.
package nft
