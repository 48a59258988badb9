// Package fleet is the words that a controller and its enforcement points share:
// the token a host joins with, its enrolment, the heartbeats it sends, the batches
// of flows and violations it reports, and the state that follows from them.
//
// What comes in is text from the wire and from files, what goes out are values.
// Keys, files and connections are the business of the packages below it:
// fleet/authority (who may join, and certificates), fleet/controller (the server)
// and fleet/link (the agent's side).
package fleet
