// Package collector turns what a sensor can get hold of into flow.Records and
// flow.Names: a capture file (Import), a live interface, and flow exports found in
// either. It puts together the stages that its sub-packages are: capture reads
// frames and walks their headers, netflow decodes NetFlow, IPFIX and sFlow
// datagrams, assemble makes biflows of the other packets, names reads which names
// addresses have.
//
// Each stage counts what came in, what went out and what it dropped for which
// reason; nothing is lost without being counted.
package collector
