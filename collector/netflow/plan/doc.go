// Package plan turns export records into Rows: a template is compiled once into
// a Plan, a list of (what, where) steps, and every data set of that template is
// then decoded by running the steps, without allocation and without looking at
// fields nobody needs.
//
// In come the bytes of one data set and the header of the datagram they came in;
// out come Rows, one per record, unidirectional or biflow as the exporter has
// them, not yet stitched, not yet scaled by sampling.
//
// Sources: RFC 3954 (NetFlow v9), RFC 7011 (IPFIX), the IANA "IP Flow Information
// Export (IPFIX) Entities" registry for element numbers, RFC 5103 (reverse
// elements), RFC 7270 (Cisco elements), Cisco ASA NetFlow implementation guide
// (NSEL), Cisco NetFlow Collection Engine guide (v5 layout).
package plan
