package watch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	vnetlink "github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
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
	Now         func() time.Time // nil for time.Now
}

// Discovery reports a host's own connections from the kernel's connection
// tracking, without a tap. It is a task. Tracking is only on while some ruleset
// asks for it, which every ruleset of nft.Compile does, an empty one too;
// counters and times are there if nf_conntrack_acct and _timestamp are set.
type Discovery struct {
	opts   DiscoveryOptions
	sink   RecordSink
	ready  chan struct{}
	ledger *ledger
	round  uint64

	mu    sync.Mutex
	stats DiscoveryStats

	listening map[netip.AddrPort]bool // local TCP listeners; unspecified address for any
}

// DiscoveryStats counts what a Discovery saw.
type DiscoveryStats struct {
	Records   uint64
	Malformed uint64 // messages that could not be read
	Lost      uint64 // times the kernel had to drop announcements
	Overflow  uint64 // connections not remembered between dumps
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
	return &Discovery{opts: opts, sink: sink, ready: make(chan struct{}), ledger: newLedger(opts.Sensor, opts.Active, opts.Connections)}
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
	if err := events.JoinGroup(groupConntrackDestroy); err != nil {
		return fmt.Errorf("listen to conntrack: %w", err)
	}
	raw, err := events.SyscallConn()
	if err != nil {
		return err
	}
	close(d.ready)
	buf := make([]byte, 1<<17)
	next := time.Time{} // first dump at once
	for ctx.Err() == nil {
		if now := time.Now(); !now.Before(next) {
			if err := d.dumpAll(); err != nil {
				return err
			}
			next = now.Add(d.opts.Active / 2)
		}
		if err := d.receive(events, raw, buf); err != nil {
			return err
		}
	}
	return nil
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
		d.eachConnection(buf[:n], ctMsgDelete, func(c connection) { out = d.ledger.ended(c, now, out) })
	}
	return d.report(out)
}

// eachConnection visits the connections of messages of a kind.
func (d *Discovery) eachConnection(b []byte, kind uint16, visit func(connection)) {
	const header = unix.NLMSG_HDRLEN + 4 // and nfgenmsg
	for len(b) >= header {
		n := int(binary.NativeEndian.Uint32(b))
		if n < header || n > len(b) {
			d.count(func(s *DiscoveryStats) { s.Malformed++ })
			return
		}
		if binary.NativeEndian.Uint16(b[4:]) == kind {
			if c, ok := parseConnection(b[header:n]); ok {
				visit(d.direct(c))
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
			out = d.ledger.alive(d.direct(c), now, d.round, out)
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
	h := &vnetlink.Handle{}
	if d.opts.NetNS != 0 {
		var err error
		if h, err = vnetlink.NewHandleAt(netns.NsHandle(d.opts.NetNS), unix.NETLINK_INET_DIAG); err != nil {
			return fmt.Errorf("list listeners: %w", err)
		}
		defer h.Close()
	}
	const listen = 10 // TCP_LISTEN
	d.listening = map[netip.AddrPort]bool{}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		socks, err := h.SocketDiagTCP(family)
		if err != nil {
			return fmt.Errorf("list listeners: %w", err)
		}
		for _, s := range socks {
			if a, ok := netip.AddrFromSlice(s.ID.Source); ok && s.State == listen {
				d.listening[netip.AddrPortFrom(a.Unmap(), s.ID.SourcePort)] = true
			}
		}
	}
	return nil
}

func (d *Discovery) report(out []flow.Record) error {
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
