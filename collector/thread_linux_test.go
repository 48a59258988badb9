package collector_test

import (
	"net"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

func runtimeLock() { runtime.LockOSThread() }

// threadCPU is the user and system time of the calling thread.
func threadCPU() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// generate sends one frame n times on gen0.
func generate(frame []byte, n int) {
	i, err := net.InterfaceByName("gen0")
	if err != nil {
		return
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1) != nil {
		return
	}
	to := unix.SockaddrLinklayer{Ifindex: i.Index}
	for range n {
		_ = unix.Sendto(fd, frame, 0, &to) // a full queue loses a frame of a flood
	}
}
