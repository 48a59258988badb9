package engine_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store/engine"
)

// TestDiskFull runs an engine on a file system too small for it.
func TestDiskFull(t *testing.T) {
	testenv.Need(t, "engine", "root")
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		testenv.Unable(t, "mount tmpfs: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	_, err := engine.Open(t.Context(), engine.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "make room") {
		t.Errorf("got %v, want the remedy", err)
	}
	// The check can be passed and the disk fill up afterwards.
	e, err := engine.Open(t.Context(), engine.Options{Dir: dir, MinFreeBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/ballast", make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	if err := e.Run(t.Context()); !errors.Is(err, engine.ErrDiskFull) || !strings.Contains(err.Error(), "make room") {
		t.Errorf("got %v, want ErrDiskFull and the remedy", err)
	}
}
