package task

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// Systemd tells the service manager, if one started this process, that the tasks
// it was given are ready, that the process is alive, and that it stops
// (sd_notify(3), sd_watchdog_enabled(3)). Elsewhere it does nothing.
type Systemd struct {
	Tasks []Task // whose readiness counts
	ready chan struct{}
}

// NewSystemd reports when all tasks are ready.
func NewSystemd(tasks ...Task) *Systemd { return &Systemd{Tasks: tasks, ready: make(chan struct{})} }

func (s *Systemd) String() string         { return "service notification" }
func (s *Systemd) Ready() <-chan struct{} { return s.ready }

// Run notifies until ctx ends.
func (s *Systemd) Run(ctx context.Context) error {
	for _, t := range s.Tasks {
		select {
		case <-t.Ready():
		case <-ctx.Done():
			return nil
		}
	}
	close(s.ready)
	if err := notify("READY=1"); err != nil {
		return err
	}
	beat := time.NewTicker(watchdogInterval())
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
			if err := notify("WATCHDOG=1"); err != nil {
				return err
			}
		case <-ctx.Done():
			return notify("STOPPING=1")
		}
	}
}

// watchdogInterval is half of what the service manager waits for; an hour when it
// does not wait.
func watchdogInterval() time.Duration {
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return time.Hour
	}
	return time.Duration(usec) * time.Microsecond / 2
}

// notify sends a state to the manager's socket.
func notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	if path[0] == '@' { // abstract namespace, unix(7)
		path = "\x00" + path[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify service manager: %w", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("notify service manager: %w", err)
	}
	return nil
}
