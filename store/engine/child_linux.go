package engine

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// IsChild reports whether this process was started to be an engine.
func IsChild() bool { return len(os.Args) > 2 && os.Args[1] == childWord }

// ChildMain loads the library and becomes ClickHouse. It does not return: the
// library's entry point blocks until the engine stops, and then the process ends.
func ChildMain() {
	runtime.LockOSThread()
	if err := runLibrary(os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runLibrary calls chdb_query_cmdline(int argc, char **argv), the library's form
// of the clickhouse-local command line.
func runLibrary(library string, args []string) error {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("load %s: %w", library, err)
	}
	entry, err := purego.Dlsym(handle, "chdb_query_cmdline")
	if err != nil {
		return fmt.Errorf("load %s: %w", library, err)
	}
	argv := make([]*byte, 0, len(args)+2)
	for _, a := range append([]string{"clickhouse"}, args...) {
		argv = append(argv, &append([]byte(a), 0)[0])
	}
	argc := len(argv)
	argv = append(argv, nil) // C's argv ends with NULL
	var pin runtime.Pinner
	defer pin.Unpin()
	for _, p := range argv[:argc] {
		pin.Pin(p)
	}
	purego.SyscallN(entry, uintptr(argc), uintptr(unsafe.Pointer(&argv[0])))
	runtime.KeepAlive(argv)
	return nil
}
