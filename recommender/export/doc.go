// Package export writes a policy set for people to review and for enforcement
// points that Bulkhead does not drive.
//
// In come a valid policy.Set and, as far as there are any, the map it was
// recommended on, its evidence and its simulation; out goes one file. What a
// format cannot say is returned as losses and written into the file itself; no
// export is ever silently wider than the set.
//
// Names, labels and descriptions come from the wire and from inventories: they
// are hostile. Every format has one escaper, next to it, and a fuzz test that
// holds it to "exactly the intended rules".
//
// One file per format; Formats lists them.
package export
