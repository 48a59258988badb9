package engine

import (
	"errors"
	"fmt"
	"syscall"
)

// What callers may want to tell apart. Every error that wraps one of these says
// what to do about it.
var (
	// ErrNoEngine: no DSN, no usable clickhouse on PATH, no library.
	ErrNoEngine = errors.New("no ClickHouse to run")
	// ErrNotWritable: the engine's folder cannot be created or written.
	ErrNotWritable = errors.New("engine folder is not writable")
	// ErrDiskFull: too little space is left for the engine to work.
	ErrDiskFull = errors.New("disk full")
	// ErrLocked: another engine holds the folder and cannot be shared.
	ErrLocked = errors.New("engine folder is in use")
	// ErrTooOld: the server's version lacks what the schema needs.
	ErrTooOld = errors.New("ClickHouse is too old")
)

// folderError says whether a failed write was for want of room or of rights.
func folderError(dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w; make room in %s or choose another folder with --data-dir", ErrDiskFull, err, dir)
	}
	return fmt.Errorf("%w: %w; choose another with --data-dir or run as its owner", ErrNotWritable, err)
}
