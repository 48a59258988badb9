// Package assemble turns packets into biflows (RFC 5103): one record for both
// directions of a conversation, with who is the client, what became of it, and a
// stable identity across splits.
//
// In come capture.Packets in roughly the order of time; out go batches of
// flow.Records. It stands between capture and whatever stores records; direction
// tells it who the client is.
//
// The table is dense entries of 128 bytes and an open-addressing index of
// (hash, entry) words; nothing is allocated per packet. Everything is bounded: the
// number of flows, what is remembered of fragments, and how many unanswered
// attempts of one source are told apart.
package assemble
