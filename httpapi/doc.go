// Package httpapi is the adapter between the program and people: the JSON API
// under /api/v1, the stream of events at /api/v1/events, health at /healthz and
// /readyz, and the embedded dashboard everywhere else.
//
// What it needs of the rest of the program it declares as Backend, whose values
// are nouns; cmd implements it. What the dashboard draws is computed here from
// those nouns: package view turns a topology.Map into at most a few hundred boxes
// and links, package layout places them.
//
// schemas/openapi.yaml describes every route; a test holds the two together.
// Errors are problem documents (RFC 9457).
package httpapi
