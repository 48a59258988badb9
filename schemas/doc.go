// Package schemas holds what others may rely on: the numbered ClickHouse
// migrations, the HTTP interface's description, and JSON Schemas, embedded in the
// program.
//
// A migration is a template of SQL statements, each ended by a semicolon at the
// end of a line. It is run from its first statement again after a crash, so every
// statement must be harmless when its work is already done. Once released, a
// migration is never changed: the next one is added.
package schemas
