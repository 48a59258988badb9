package testenv

import (
	"os"
	"testing"
)

// Shots is the folder for screenshots: $BULKHEAD_SHOTS, or a temporary one, which
// stays when the test fails so that somebody can look.
func Shots(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("BULKHEAD_SHOTS"); dir != "" {
		return dir
	}
	dir, err := os.MkdirTemp("", "bulkhead-shots-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("screenshots are kept in %s", dir)
			return
		}
		_ = os.RemoveAll(dir) // what is left in a temporary folder harms nobody
	})
	return dir
}
