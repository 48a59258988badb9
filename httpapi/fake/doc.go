// Package fake is an httpapi.Backend over a hand-made chain of shops, for tests of
// the API and for work on the dashboard without a database. Nothing in it is
// measured or learned: the map is written down in estate.go, and what it
// recommends is one rule per pair of roles.
package fake
