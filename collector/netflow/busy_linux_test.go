package netflow_test

import (
	"time"

	"golang.org/x/sys/unix"
)

// busy is the processor time of this process so far. It does not go on while others
// have the processor.
func busy() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
