package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
)

// Observer is a program on the router that watches the tapped segment and exports
// what it sees.
type Observer struct {
	Name  string
	start func(ctx context.Context, l *Lab, device string) (observing, error)
}

// observing is an observer at work.
type observing struct {
	*daemon
	flush func() error // nil: it exports all it holds when it ends
}

// Bridge is the name of a segment's interface in the router: what is mirrored
// there is all that is said on the segment.
func (l *Lab) Bridge(segment string) string { return bridge(l.topo.segment(segment)) }

// Observe starts an observer of the tapped segment; StopTap ends it.
func (l *Lab) Observe(ctx context.Context, o Observer) error {
	segment := l.topo.segment(l.topo.Tap)
	if segment < 0 {
		return fmt.Errorf("%s needs a tapped segment", o.Name)
	}
	l.logf("start %s on %s", o.Name, l.topo.Tap)
	w, err := o.start(ctx, l, bridge(segment))
	if err != nil {
		return fmt.Errorf("start %s: %w", o.Name, err)
	}
	l.watches = append(l.watches, w)
	return nil
}

// stopObservers has all observers export what they hold, and ends them.
func (l *Lab) stopObservers(ctx context.Context) error {
	if len(l.watches) == 0 {
		return nil
	}
	errs := []error{l.fillRings(ctx)}
	for _, w := range l.watches {
		if w.flush != nil {
			errs = append(errs, w.flush())
		}
	}
	errs = append(errs, idle(ctx, l.observers()...))
	for _, w := range l.watches {
		w.stop()
	}
	l.watches = nil
	return errors.Join(errs...)
}

// fillRings makes observers that use libpcap without its immediate mode see what
// there was: the kernel hands packets over when a block of the ring is full, and
// on a quiet wire none ever is (softflowd 1.1.0 then sees nothing at all). It
// returns when they have worked that off.
func (l *Lab) fillRings(ctx context.Context) error {
	const ring = 2 << 20 // bytes, libpcap's default
	if err := l.router.pad(bridge(l.topo.segment(l.topo.Tap)), ring/1500); err != nil {
		return err
	}
	return idle(ctx, l.observers()...)
}

func (l *Lab) observers() (out []*daemon) {
	for _, w := range l.watches {
		out = append(out, w.daemon)
	}
	return out
}

// Softflowd exports NetFlow v9 to a collector.
func Softflowd(collector netip.AddrPort) Observer {
	return Observer{"softflowd", func(ctx context.Context, l *Lab, device string) (observing, error) {
		control := filepath.Join(l.dir, "softflowd.ctl")
		d, err := l.start(l.router, "softflowd", l.router.Command(context.Background(), "softflowd", "-d", "-i", device, "-v", "9", "-6",
			"-n", collector.String(), "-T", "full", "-A", "milli", "-p", filepath.Join(l.dir, "softflowd.pid"), "-c", control))
		if err != nil {
			return observing{}, err
		}
		// It exports what it holds when told to, not when it ends (softflowctl(8)).
		flush := func() error {
			_, err := l.router.Run(context.Background(), "softflowctl", "-c", control, "expire-all")
			return err
		}
		return observing{d, flush}, l.waitFor(ctx, d, func() bool {
			_, err := os.Stat(control)
			return err == nil
		})
	}}
}

// NFProbe is pmacct's exporter of IPFIX, sending from the source address.
func NFProbe(source netip.Addr, collector netip.AddrPort) Observer {
	return pmacct("nfprobe", fmt.Sprintf(`plugins: nfprobe
aggregate: src_host, dst_host, src_port, dst_port, proto, tcpflags
nfprobe_receiver: %s
nfprobe_source_ip: %s
nfprobe_version: 10
nfprobe_timeouts: tcp=60:tcp.rst=60:tcp.fin=60:udp=60:icmp=60:general=60:maxlife=3600:expint=1
`, collector, source))
}

// SFProbe is pmacct's exporter of sFlow, with every packet as a sample, sending
// from the source address.
func SFProbe(source netip.Addr, collector netip.AddrPort) Observer {
	return pmacct("sfprobe", fmt.Sprintf(`plugins: sfprobe
sampling_rate: 1
sfprobe_receiver: %s
sfprobe_agentip: %s
sfprobe_source_ip: %s
`, collector, source, source))
}

func pmacct(name, config string) Observer {
	return Observer{name, func(ctx context.Context, l *Lab, device string) (observing, error) {
		path, pid := filepath.Join(l.dir, name+".conf"), filepath.Join(l.dir, name+".pid")
		text := fmt.Sprintf("daemonize: false\npcap_interface: %s\npromisc: true\npidfile: %s\n%s", device, pid, config)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return observing{}, err
		}
		d, err := l.start(l.router, name, l.router.Command(context.Background(), "pmacctd", "-f", path))
		if err != nil {
			return observing{}, err
		}
		// SIGINT makes the plugin export what it holds and end (pmacct, SIGNALS).
		flush := func() error { return syscall.Kill(-d.cmd.Process.Pid, syscall.SIGINT) }
		return observing{d, flush}, l.waitFor(ctx, d, func() bool {
			b, err := os.ReadFile(pid)
			return err == nil && len(b) > 0
		})
	}}
}
