package testenv

import (
	"testing"
	"time"
)

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

var kept []byte

func TestBoundsAreHeldOrNot(t *testing.T) {
	small := Bounds{CPU: 20 * time.Millisecond, Bytes: 1 << 20}
	calls := 0
	for name, tt := range map[string]struct {
		f    func()
		fail bool
	}{
		"idle":        {func() {}, false},
		"slow once":   {func() { calls++; spin(calls == 1) }, false},
		"always slow": {func() { spin(true) }, true},
		"greedy":      {func() { kept = make([]byte, 2<<20) }, true},
		"asleep":      {func() { time.Sleep(30 * time.Millisecond) }, false},
	} {
		r := &recorder{TB: t}
		if small.Hold(r, tt.f); r.failed != tt.fail {
			t.Errorf("%s: failed %v", name, r.failed)
		}
	}
}

// spin works for 60 ms of the thread's time.
func spin(yes bool) {
	for start := threadCPU(); yes && threadCPU()-start < 60*time.Millisecond; {
	}
}
