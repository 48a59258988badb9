// Package watch reads back what the kernel did and saw: NFLOG reports become
// policy.Violations, connection tracking events become flow.Records.
//
// Both listeners are tasks (Run, Ready, String) on one netlink socket each, with
// a bounded amount of state, and count what the kernel could not deliver.
package watch
