// Package link is an enforcement point's line to its controller: it joins with a
// token, keeps its certificate fresh, says how the host is, fetches bundles, and
// delivers what the host reports from a queue on disk, each batch until it is
// acknowledged.
//
// The controller is known by the fingerprint of its authority, taken from the token
// at join and kept. Validity times of the controller's certificate are not looked
// at: a host whose clock is wrong must be able to say so. Whatever fails here is
// reported and tried again; nothing here changes what the host enforces.
package link
