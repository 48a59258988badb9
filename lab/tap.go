package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tap is what watches the wire: tcpdump on a bridge, softflowd on the same bridge
// exporting to the router's loopback, and tcpdump there; or tcpdump on all
// bridges.
type tap struct {
	lab      *Lab
	captures []*daemon
	parts    []string // files of the captures, when there are several
	sink     *net.UDPConn
}

// exportTarget is where softflowd sends to, on the router's loopback.
var exportTarget = netip.MustParseAddrPort("127.0.0.1:2055")

// CaptureFile is the packet capture of the tapped segment, complete after
// StopTap.
func (l *Lab) CaptureFile() string { return filepath.Join(l.dir, "capture.pcap") }

// ExportFile is a packet capture of the NetFlow v9 datagrams that softflowd made
// of the same segment, complete after StopTap.
func (l *Lab) ExportFile() string { return filepath.Join(l.dir, "export.pcap") }

func (l *Lab) startTap(ctx context.Context) (*tap, error) {
	t := &tap{lab: l}
	if l.topo.Tap == "" {
		return t, t.watchAll(ctx)
	}
	device := bridge(l.topo.segment(l.topo.Tap))
	capture, err := t.tcpdump(ctx, "capture", device, l.CaptureFile(), "ip or ip6")
	if err != nil {
		return t, err
	}
	t.captures = []*daemon{capture}
	return t, t.startExport(ctx)
}

// watchAll captures what comes into the router from each segment.
func (t *tap) watchAll(ctx context.Context) error {
	for i := range t.lab.topo.Segments {
		part := fmt.Sprintf("%s.%d", t.lab.CaptureFile(), i)
		d, err := t.tcpdump(ctx, fmt.Sprintf("capture-%d", i), bridge(i), part, "ip or ip6", "-Q", "in")
		if err != nil {
			return err
		}
		t.captures, t.parts = append(t.captures, d), append(t.parts, part)
	}
	return nil
}

// startExport has softflowd export what it sees on the tapped segment, to a
// socket that takes the datagrams so that they are not refused.
func (t *tap) startExport(ctx context.Context) error {
	l := t.lab
	err := l.router.Do(func() (err error) {
		t.sink, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(exportTarget))
		return err
	})
	if err != nil {
		return err
	}
	export, err := t.tcpdump(ctx, "export", "lo", l.ExportFile(), fmt.Sprintf("udp dst port %d", exportTarget.Port()))
	if err != nil {
		return err
	}
	t.captures = append(t.captures, export)
	return l.Observe(ctx, Softflowd(exportTarget))
}

// tcpdump starts a capture in the router and waits until it listens.
func (t *tap) tcpdump(ctx context.Context, name, device, file, filter string, more ...string) (*daemon, error) {
	l := t.lab
	args := append([]string{"-i", device, "-n", "-U", "--immediate-mode", "-Z", "root", "-B", "8192", "-w", file}, append(more, filter)...)
	d, err := l.start(l.router, name, l.router.Command(context.Background(), "tcpdump", args...))
	if err != nil {
		return nil, err
	}
	return d, l.waitFor(ctx, d, func() bool {
		b, err := os.ReadFile(l.logFile(routerName, name))
		return err == nil && strings.Contains(string(b), "listening on")
	})
}

// waitFor polls until ready, the daemon's end or a time limit.
func (l *Lab) waitFor(ctx context.Context, d *daemon, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	for !ready() {
		select {
		case <-d.done:
			return fmt.Errorf("%s ended: %w", d.cmd.Args[4], errors.Join(d.err, errors.New(l.tail(routerName, filepath.Base(d.cmd.Args[4])))))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", d.cmd.Args[4], ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// StopTap ends capture and export; both files are complete afterwards, and other
// observers have exported all they hold.
func (l *Lab) StopTap() error {
	ctx := context.Background()
	err := l.stopObservers(ctx)
	if l.tap != nil {
		err = errors.Join(err, l.tap.stop(ctx))
		l.tap = nil
	}
	return err
}

func (t *tap) stop(ctx context.Context) error {
	err := idle(ctx, t.captures...)
	for _, d := range t.captures {
		d.stop()
	}
	if len(t.parts) > 0 {
		err = errors.Join(err, merge(t.lab.CaptureFile(), t.parts))
	}
	if t.sink != nil {
		err = errors.Join(err, t.sink.Close())
	}
	return err
}

// merge joins captures into one in order of time.
func merge(file string, parts []string) error {
	out, err := exec.Command("mergecap", append([]string{"-F", "pcap", "-w", file}, parts...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("merge captures: %w: %s", err, out)
	}
	return nil
}
