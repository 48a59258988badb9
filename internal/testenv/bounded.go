package testenv

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// Bounds are what one input may cost a parser.
type Bounds struct {
	CPU   time.Duration
	Bytes uint64 // allocated, whether freed again or not
}

// Hostile are the bounds for a datagram, a frame or a small file from outside.
var Hostile = Bounds{CPU: 50 * time.Millisecond, Bytes: 8 << 20}

// Hold runs f, which must do the same work whenever it is called, and fails t when
// it costs more than b three times in a row: a machine that is busy, or collects
// garbage, is slow once. CPU time is the calling thread's, where the system says it.
func (b Bounds) Hold(t testing.TB, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var worst Bounds
	for try := range 3 {
		took, allocated := cost(f)
		if took <= b.CPU && allocated <= b.Bytes {
			return
		}
		if try == 0 || took < worst.CPU {
			worst = Bounds{took, allocated}
		}
	}
	t.Errorf("took %v of CPU and %d bytes, three times; want at most %v and %d", worst.CPU, worst.Bytes, b.CPU, b.Bytes)
}

func cost(f func()) (time.Duration, uint64) {
	cpu, bytes := threadCPU(), allocated()
	f()
	return threadCPU() - cpu, allocated() - bytes
}

// allocated is what the program has allocated so far.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
