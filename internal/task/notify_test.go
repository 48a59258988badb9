package task_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/internal/task"
)

// ready is a task that is ready when its channel closes.
type ready chan struct{}

func (r ready) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (r ready) Ready() <-chan struct{}        { return r }
func (r ready) String() string                { return "ready" }

func TestSystemdHearsReadyAliveAndStopping(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "20000")
	hear := func() string {
		b := make([]byte, 64)
		if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	ctx, stop := context.WithCancel(t.Context())
	r := make(ready)
	done := make(chan error, 1)
	go func() { done <- task.NewSystemd(r).Run(ctx) }()
	close(r)
	for _, want := range []string{"READY=1", "WATCHDOG=1"} {
		if got := hear(); got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	stop()
	for got := ""; got != "STOPPING=1"; {
		got = hear() // a last watchdog may come before
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSystemdHearsReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := errors.Join(task.Reloading(), task.Reloaded("all well"), c.SetReadDeadline(time.Now().Add(30*time.Second))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`^RELOADING=1\nMONOTONIC_USEC=[1-9]\d*$`, `^READY=1\nSTATUS=all well$`} {
		b := make([]byte, 128)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(want).Match(b[:n]) {
			t.Errorf("heard %q, want %s", b[:n], want)
		}
	}
}
