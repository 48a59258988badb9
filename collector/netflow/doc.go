// Package netflow receives what routers, switches, firewalls and probes export:
// NetFlow v5, v9, IPFIX and sFlow v5, from a UDP socket or from datagrams found
// in a capture. In come datagrams with their exporter's address; out come
// flow.Records: biflows, each counted once, scaled by sampling, with a client and
// an outcome. Everything not kept is counted under a flow.DropReason.
//
// The way of a datagram: Decoder checks the exporter and the header, keeps the
// sequence numbers, and walks the sets itself, so that one bad set does not lose
// the others. Template and options sets go to goflow2, behind a fence that refuses
// what would make it loop or allocate without bound; data sets go through the
// compiled plans of sub-package plan; sFlow samples through goflow2 again. The
// rows that come out are joined by sub-package stitch.
//
// Sources: RFC 3954 (NetFlow v9), RFC 7011 (IPFIX), RFC 5103 (biflows), RFC 5476
// (sampling), sFlow version 5 (sflow.org), Cisco's v5 and NSEL guides.
package netflow
