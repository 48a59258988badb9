package lab

import (
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Do runs f in the host's network namespace. Sockets that f opens stay there;
// goroutines that f starts do not run there.
func (h *Host) Do(f func() error) error {
	ns, err := os.Open("/run/netns/" + h.Namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	result := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, so that no other
		// goroutine inherits the namespace (runtime.LockOSThread).
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("enter namespace %s: %w", h.Namespace, err)
			return
		}
		result <- f()
	}()
	return <-result
}

// pad sends frames of a local experimental EtherType (IEEE 802, 88-B5) on a
// device of the host: nothing to anybody, but they fill capture buffers.
func (h *Host) pad(device string, frames int) error {
	return h.Do(func() error {
		dev, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open packet socket on %s: %w", device, err)
		}
		defer unix.Close(fd)
		frame := make([]byte, 1500)
		copy(frame, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 1, 0x88, 0xb5})
		for range frames {
			if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: dev.Index, Halen: 6}); err != nil {
				return fmt.Errorf("send padding on %s: %w", device, err)
			}
		}
		return nil
	})
}
