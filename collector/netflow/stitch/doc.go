// Package stitch makes biflows (RFC 5103) of what exporters send: mostly one
// record for each direction, split at the active timeout, and often the same
// flow several times, from two routers on its path or from two interfaces of
// one.
//
// In come plan.Rows with the observation point they were made at; out come
// flow.Records: halves joined, duplicates counted once, splits under one flow
// identity, the client decided by collector/direction, the outcome judged.
//
// Memory is bounded by a fixed number of flows, time by how long a half waits for
// the other one. What is thrown out early is still reported, one-way.
package stitch
