//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// alone keeps a second agent off the same folder, and so off the same table, until
// release.
func alone(dir string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "running"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("agent: another one runs on this machine with %s; stop it first", dir), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("agent: lock %s: %w", f.Name(), err), f.Close())
	}
	return f.Close, nil // which gives up the lock
}
