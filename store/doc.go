// Package store is the adapter to ClickHouse: it keeps flow records, names,
// violations, sensor health and the documents people save, and answers with
// edges, probes and records over a window.
//
// Records go in through a Writer, which batches them by column, puts every batch
// on disk before it is sent, and sends it under a token that makes a repetition
// count once. Edges come out aggregated: the database sums and groups, so the
// program never holds raw flows to count them.
//
// Bulk data crosses in ch-go's columns (about 100 ns a row), everything else
// through clickhouse-go/v2.
package store
