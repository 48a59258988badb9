package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestHashingEndsWithItsContext: Ctrl-C while a large capture is hashed ends the import.
func TestHashingEndsWithItsContext(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(stop) })
	if _, err := fileHash(ctx, "/dev/zero"); !errors.Is(err, stop) {
		t.Errorf("hashing a file without end: %v, want %v", err, stop)
	}
}
