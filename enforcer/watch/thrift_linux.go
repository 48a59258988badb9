package watch

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// thrift keeps a thread's processor time under a share of one core, by resting.
// The goroutine that uses it is locked to its thread.
type thrift struct {
	share float64 // of one core
	at    time.Time
	cpu   time.Duration
	debt  time.Duration // processor time used beyond the share

	used, rested time.Duration // since the beginning
}

// credit is how much processor time may be used at once after a quiet while: one
// look at a table of a hundred thousand connections.
const credit = 200 * time.Millisecond

func newThrift(share float64) *thrift {
	return &thrift{share: share, at: time.Now(), cpu: threadTime(), debt: -credit}
}

// rest waits for as long as it takes for the share to be kept, at most a second.
func (t *thrift) rest(ctx context.Context) {
	now, cpu := time.Now(), threadTime()
	spent, passed := cpu-t.cpu, now.Sub(t.at)
	t.at, t.cpu = now, cpu
	t.used += spent
	t.debt = max(t.debt+spent-time.Duration(float64(passed)*t.share), -credit)
	if t.debt <= 0 {
		return
	}
	pause := min(time.Duration(float64(t.debt)/t.share), time.Second)
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
	t.rested += time.Since(now)
}

// threadTime is the processor time of the calling thread (getrusage(2)); 0 where
// the kernel does not say.
func threadTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
