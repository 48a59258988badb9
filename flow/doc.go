// Package flow is the noun "what was seen": biflow records, the edges they add
// up to, names observed on the wire, and the typed reasons for which something
// seen was not kept.
//
// Everything that watches traffic produces Records; everything that reasons
// about traffic consumes Edges. The package depends on the standard library
// only and none of its types is tied to a capture format, an export protocol or
// a database.
//
// Sources: RFC 5103 (biflows), RFC 7011 and RFC 7012 (IPFIX and its information
// elements), RFC 3954 (NetFlow v9), RFC 9293 (TCP).
package flow
