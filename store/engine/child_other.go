//go:build !linux

package engine

import (
	"fmt"
	"os"
)

// IsChild reports whether this process was started to be an engine: never here.
func IsChild() bool { return false }

// ChildMain ends the process: the library is run on Linux only.
func ChildMain() {
	fmt.Fprintln(os.Stderr, "the embedded engine runs on Linux only")
	os.Exit(1)
}
