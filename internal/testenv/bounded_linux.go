package testenv

import (
	"syscall"
	"time"
)

// threadCPU is the user and system time of the calling thread (getrusage(2),
// RUSAGE_THREAD).
func threadCPU() time.Duration {
	const thread = 1
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
