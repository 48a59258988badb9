package task

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Reloading tells the service manager that the configuration is being read again
// (systemd.service(5), Type=notify-reload); Reloaded that it is in force, or was
// refused and the old one is.
func Reloading() error {
	return notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonic()/time.Microsecond))
}

// Reloaded ends what Reloading began. status is shown by systemctl status.
func Reloaded(status string) error { return notify("READY=1\nSTATUS=" + status) }

// monotonic is CLOCK_MONOTONIC, which sd_notify(3) asks for; Go's own reading of it
// cannot be had.
func monotonic() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
