package watch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/flow"
)

// RecordSink takes flow records; it must not keep the slice.
type RecordSink interface {
	Records([]flow.Record) error
}

// DiscoveryOptions of a Discovery.
type DiscoveryOptions struct {
	NetNS  int           // file descriptor; 0 for the caller's own
	Sensor string        // name put into every record
	Active time.Duration // a connection that lives longer is reported this often; 0 for 60 s
	// Connections bounds those remembered; 0 for 131072.
	Connections int
	// Process names the local program at the client's (false) or the server's end
	// (true) of a connection, as Processes.Of does; may be nil.
	Process func(k flow.Key, inbound bool) string
	// CPUShare is how much of one core may be used; 0 for 0.1. A connection costs
	// about 8 µs (BenchmarkDiscovery). Beyond the share, what the kernel has to
	// announce may be lost, which is counted.
	CPUShare float64
	Now      func() time.Time // nil for time.Now
}

// Discovery reports a host's own connections, and on a router those it forwards,
// from the kernel's connection tracking, without a tap. Who is the client is
// certain, and the local program is known. It is a task.
//
// Tracking is only on while some ruleset asks for it, which every ruleset of
// nft.Compile does, an empty one too (enforcer.Track); counters and times are there
// if nf_conntrack_acct and _timestamp are set (enforcer.CountTraffic).
type Discovery struct {
	opts   DiscoveryOptions
	sink   RecordSink
	ready  chan struct{}
	ledger *ledger
	round  uint64

	mu    sync.Mutex
	stats DiscoveryStats

	listening map[netip.AddrPort]bool // local TCP listeners; unspecified address for any
	sockets   sockets
	thrift    *thrift
}

// DiscoveryStats counts what a Discovery saw.
type DiscoveryStats struct {
	Records   uint64
	Loopback  uint64        // records left out: the host with itself
	Malformed uint64        // messages that could not be read
	Lost      uint64        // times the kernel had to drop announcements
	Overflow  uint64        // connections not remembered between dumps
	Used      time.Duration // processor time
	Rested    time.Duration // time spent waiting so as not to use more
}

// NewDiscovery prepares the task.
func NewDiscovery(opts DiscoveryOptions, sink RecordSink) *Discovery {
	if opts.Active == 0 {
		opts.Active = time.Minute
	}
	if opts.Connections == 0 {
		opts.Connections = 1 << 17
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.CPUShare <= 0 {
		opts.CPUShare = 0.1
	}
	return &Discovery{opts: opts, sink: sink, ready: make(chan struct{}), sockets: sockets{netns: opts.NetNS},
		ledger: newLedger(opts.Sensor, opts.Active, opts.Connections)}
}

// String names the task.
func (d *Discovery) String() string { return "conntrack" }

// Ready is closed once ends of connections are announced to us.
func (d *Discovery) Ready() <-chan struct{} { return d.ready }

// Stats returns the counts so far; safe to call while Run runs.
func (d *Discovery) Stats() DiscoveryStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

// From linux/netfilter/nfnetlink_compat.h and nfnetlink_conntrack.h.
const (
	groupConntrackNew     = 1
	groupConntrackDestroy = 3
	ctMsgNew              = unix.NFNL_SUBSYS_CTNETLINK << 8
	ctMsgGet              = ctMsgNew | 1
	ctMsgDelete           = ctMsgNew | 2
)

// Run reports until ctx ends.
func (d *Discovery) Run(ctx context.Context) error {
	events, err := d.dial()
	if err != nil {
		return err
	}
	defer events.Close()
	for _, group := range []uint32{groupConntrackNew, groupConntrackDestroy} {
		if err := events.JoinGroup(group); err != nil {
			return fmt.Errorf("listen to conntrack: %w", err)
		}
	}
	defer d.sockets.close()
	raw, err := events.SyscallConn()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // for its processor time to be its own
	defer runtime.UnlockOSThread()
	d.thrift = newThrift(d.opts.CPUShare)
	close(d.ready)
	buf := make([]byte, 1<<17)
	next := time.Time{} // first dump at once
	for ctx.Err() == nil {
		if now := time.Now(); !now.Before(next) {
			if err := d.dumpAll(); err != nil {
				return err
			}
			next = now.Add(min(d.opts.Active/2, soon))
		}
		if err := d.receive(events, raw, buf); err != nil {
			return err
		}
		d.thrift.rest(ctx)
		d.count(func(s *DiscoveryStats) { s.Used, s.Rested = d.thrift.used, d.thrift.rested })
	}
	return d.report(d.ledger.drain(flow.TimeOf(d.opts.Now()), nil))
}

func (d *Discovery) dial() (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: d.opts.NetNS})
	if err != nil {
		return nil, fmt.Errorf("open conntrack: %w", err)
	}
	_ = conn.SetReadBuffer(readBuffer) // smaller only means that losses come sooner, counted
	return conn, nil
}

// receive takes the announcements that come within a tick.
func (d *Discovery) receive(conn *netlink.Conn, raw syscall.RawConn, buf []byte) error {
	if err := conn.SetReadDeadline(time.Now().Add(tick)); err != nil {
		return err
	}
	var out []flow.Record
	now := flow.TimeOf(d.opts.Now())
	for i := range maxDatagrams {
		n, err := readDatagram(raw, buf, i > 0)
		var timeout interface{ Timeout() bool }
		if errors.Is(err, unix.ENOBUFS) {
			d.count(func(s *DiscoveryStats) { s.Lost++ })
			continue
		}
		if errors.Is(err, unix.EAGAIN) || errors.As(err, &timeout) && timeout.Timeout() {
			break
		}
		if err != nil {
			return fmt.Errorf("receive from conntrack: %w", err)
		}
		d.eachConnection(buf[:n], func(kind uint16, c connection) {
			switch kind {
			case ctMsgNew:
				client, server := d.programs(&c)
				d.ledger.begun(c, now, d.round, client, server)
			case ctMsgDelete:
				out = d.ledger.ended(c, now, out)
			}
		})
	}
	return d.report(out)
}

// programs names the local ends' programs.
func (d *Discovery) programs(c *connection) (client, server string) {
	if d.opts.Process == nil || c.key.Client.IsLoopback() {
		return "", ""
	}
	return d.opts.Process(c.key, false), d.opts.Process(c.key, true)
}

// eachConnection visits the connections that messages tell of.
func (d *Discovery) eachConnection(b []byte, visit func(kind uint16, c connection)) {
	const header = unix.NLMSG_HDRLEN + 4 // and nfgenmsg
	for len(b) >= header {
		n := int(binary.NativeEndian.Uint32(b))
		if n < header || n > len(b) {
			d.count(func(s *DiscoveryStats) { s.Malformed++ })
			return
		}
		if kind := binary.NativeEndian.Uint16(b[4:]); kind == ctMsgNew || kind == ctMsgDelete {
			if c, ok := parseConnection(b[header:n]); ok {
				visit(kind, d.direct(c))
			} else {
				d.count(func(s *DiscoveryStats) { s.Malformed++ })
			}
		}
		b = b[min((n+3)&^3, len(b)):]
	}
}

// direct corrects a connection that tracking picked up in its middle from the
// server's side: its sender listens here.
func (d *Discovery) direct(c connection) connection {
	listens := func(a netip.Addr, port uint16) bool {
		any := netip.IPv4Unspecified()
		return d.listening[netip.AddrPortFrom(a, port)] || d.listening[netip.AddrPortFrom(any, port)] ||
			d.listening[netip.AddrPortFrom(netip.IPv6Unspecified(), port)]
	}
	if c.key.Proto == flow.TCP && listens(c.key.Client, c.key.ClientPort) && !listens(c.key.Server, c.key.ServerPort) {
		c.key = c.key.Reverse()
		c.client, c.server = c.server, c.client
		c.turned = true
	}
	return c
}

// dumpAll looks at all connections there are.
func (d *Discovery) dumpAll() error {
	if err := d.listeners(); err != nil {
		return err
	}
	conn, err := d.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	msgs, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: ctMsgGet, Flags: netlink.Request | netlink.Dump},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil {
		return fmt.Errorf("list connections: %w", err)
	}
	d.round++
	now := flow.TimeOf(d.opts.Now())
	var out []flow.Record
	for _, m := range msgs {
		if uint16(m.Header.Type) != ctMsgNew || len(m.Data) < 4 {
			continue
		}
		if c, ok := parseConnection(m.Data[4:]); ok {
			c = d.direct(c)
			if !d.ledger.knows(c) { // older than we are
				client, server := d.programs(&c)
				d.ledger.begun(c, now, d.round, client, server)
			}
			out = d.ledger.alive(c, now, d.round, out)
		} else {
			d.count(func(s *DiscoveryStats) { s.Malformed++ })
		}
	}
	out = d.ledger.vanished(d.round, now, out)
	d.count(func(s *DiscoveryStats) { s.Overflow = d.ledger.overflow })
	return d.report(out)
}

// listeners reads which TCP ports this host serves.
func (d *Discovery) listeners() error {
	list, err := d.sockets.listening()
	if err != nil {
		return err
	}
	d.listening = make(map[netip.AddrPort]bool, len(list))
	for _, s := range list {
		d.listening[s.local] = true
	}
	return nil
}

// report hands records to the sink, but for those of the host with itself: no
// policy is about them, and no tap sees them.
func (d *Discovery) report(out []flow.Record) error {
	n := len(out)
	out = slices.DeleteFunc(out, func(r flow.Record) bool { return r.Key.Client.IsLoopback() || r.Key.Server.IsLoopback() })
	if n > len(out) {
		d.count(func(s *DiscoveryStats) { s.Loopback += uint64(n - len(out)) })
	}
	if len(out) == 0 {
		return nil
	}
	d.count(func(s *DiscoveryStats) { s.Records += uint64(len(out)) })
	if err := d.sink.Records(out); err != nil {
		return fmt.Errorf("conntrack: store records: %w", err)
	}
	return nil
}

func (d *Discovery) count(f func(*DiscoveryStats)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.stats)
}
