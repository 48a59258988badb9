// Package lab builds a small network of real hosts on one Linux machine: network
// namespaces joined by a router, real servers and clients from Debian in them,
// and two observers of the same wire, a packet capture and a NetFlow exporter.
//
// In goes a Topology (segments, hosts, what they serve, who calls whom), out come
// two capture files and the true set of edges. Tests import both files and
// compare the maps; the enforcer's tests put rulesets into the hosts and the
// router.
//
// Everything lives in fresh namespaces with names of their own and addresses from
// 198.18.0.0/15, which is set apart for such networks (RFC 2544 §C.2.2, RFC
// 5735), and fd42:c612::/32. The machine's own addresses, routes and rulesets are
// never touched. Down, or the next Up after a crash, removes all of it. Root is
// needed.
package lab
