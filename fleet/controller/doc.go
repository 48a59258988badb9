// Package controller is the server that enforcement points speak to: they join with
// a token, renew their certificates, say how they are, fetch what they shall
// enforce, and report flows and violations.
//
// It speaks HTTP/2 over TLS 1.3 (RFC 9113, RFC 8446) with certificates of
// fleet/authority on both sides; a host without one can only join. What hosts shall
// enforce comes from a Source, what they report goes to a Sink, each exactly once.
// Nothing that happens here, not even its end, changes what a host enforces.
package controller
