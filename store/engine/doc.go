// Package engine provides the ClickHouse that the store talks to when the
// operator has not named one: a child process that listens on loopback only,
// with its data in a folder of ours.
//
// What listens is chosen in this order: the DSN the operator gave; a clickhouse
// binary on PATH; libchdb.so, ClickHouse as a shared library, loaded by a child
// that is this same program (purego, no cgo). Every main that starts an engine
// therefore begins with
//
//	if engine.IsChild() {
//		engine.ChildMain()
//	}
//
// The child dies with its parent, is restarted with backoff when it dies (address
// and password stay as they were), holds a lock on its folder, and counts as
// ready only when it has answered a query. A second program that opens the same
// folder uses the engine already running there, and inherits it when the first one
// ends.
//
// The engine's own user gets a random password, kept in a file of mode 0600. The
// user "default", which the library's in-process session needs without a
// password, may do nothing but start the listener and count system.numbers.
package engine
