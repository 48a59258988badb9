// Command bulkhead maps a network's dependencies from passive observation,
// recommends least-privilege rules, proves them on recorded traffic and enforces
// them with a way back. One file per verb; this package is the only one that
// knows all the others, and holds the wiring between them.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/bulkhead/bulkhead/internal/task"
	"github.com/bulkhead/bulkhead/store/engine"
)

// version is set by the build.
var version = "devel"

func main() {
	if engine.IsChild() {
		engine.ChildMain() // does not return
	}
	ctx, stop := task.Notify(context.Background())
	err := newRoot(os.Stdin, os.Stdout, os.Stderr).ExecuteContext(ctx)
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), task.ErrSignal) {
		err = task.ErrSignal
	}
	stop()
	os.Exit(exitCode(err, os.Stderr))
}
