package engine

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"context"
)

// childWord is the hidden first argument that turns this program into an engine:
// PROGRAM childWord LIBRARY ARGUMENT…
const childWord = "__bulkhead-engine"

// minVersion is the oldest server the schema and the insert settings work with:
// deduplication tokens carried into materialized views of plain MergeTree came
// with 24.8's block-token rework.
var minVersion = [2]int{24, 8}

// keepAlive is the query that keeps the in-process session, and so the listener,
// alive: it sleeps three seconds per row of an endless table, in blocks of one.
const keepAlive = "SYSTEM START LISTEN TCP; SELECT count() FROM system.numbers WHERE sleepEachRow(3) = 1 " +
	"SETTINGS function_sleep_max_microseconds_per_block=0, max_block_size=1"

// choose sets the command to run: a clickhouse binary, else ourselves with the
// library.
func (e *Engine) choose() error {
	if bin := e.findBinary(); bin != "" {
		e.kind.Store(kindBinary)
		e.command = []string{bin, "server", "--config-file=" + e.at.config()}
		return nil
	}
	if _, err := os.Stat(e.opt.Library); err != nil {
		return fmt.Errorf("%w: no clickhouse (%d.%d or newer) on PATH and no library: %w; "+
			"run make engine, install ClickHouse, or name a server with --clickhouse clickhouse://host:9000/bulkhead",
			ErrNoEngine, minVersion[0], minVersion[1], err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	e.kind.Store(kindEmbedded)
	e.command = []string{self, childWord, e.opt.Library}
	return nil
}

// libraryArgs are the library's arguments; the port is known only at a start.
func (e *Engine) libraryArgs() []string {
	return []string{
		"--config-file=" + e.at.config(),
		"--path=" + e.at.data(),
		"--log-level=warning",
		"--listen_host=127.0.0.1",
		"--tcp_port=" + strconv.Itoa(e.port),
		"--query", keepAlive,
	}
}

// findBinary returns a clickhouse program that is new enough, or "".
func (e *Engine) findBinary() string {
	name := e.opt.Binary
	switch name {
	case "-":
		return ""
	case "":
		name = "clickhouse"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "server", "--version").Output()
	version := versionPattern.FindString(string(out))
	if err != nil || !newEnough(version) {
		e.opt.Log.Warn("not using the clickhouse program found", "path", path, "version", version,
			"needs", fmt.Sprintf("%d.%d", minVersion[0], minVersion[1]), "error", err)
		return ""
	}
	return path
}

var versionPattern = regexp.MustCompile(`\d+\.\d+(\.\d+)*`)

// newEnough compares a version such as "26.7.2.1" with minVersion.
func newEnough(version string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n != 2 {
		return false
	}
	return major > minVersion[0] || major == minVersion[0] && minor >= minVersion[1]
}
