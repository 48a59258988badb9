package watch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// NFLOG listens to the reports of a ruleset. It is a task.
type NFLOG struct {
	opts  Options
	book  *Book
	sink  Sink
	ready chan struct{}

	mu    sync.Mutex
	stats Stats

	limit *limiter
	next  uint32 // sequence number expected; valid once begun
	begun bool
}

// New prepares a listener that explains reports by book and hands violations to
// sink.
func New(opts Options, book *Book, sink Sink) *NFLOG {
	if opts.Group == 0 {
		opts.Group = nft.LogGroup
	}
	if opts.Interval == 0 {
		opts.Interval = 10 * time.Second
	}
	if opts.Edges == 0 {
		opts.Edges = 1 << 16
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &NFLOG{opts: opts, book: book, sink: sink, ready: make(chan struct{}), limit: newLimiter(opts.Interval, opts.Edges)}
}

// String names the task.
func (n *NFLOG) String() string { return fmt.Sprintf("nflog group %d", n.opts.Group) }

// Ready is closed once the kernel delivers to us.
func (n *NFLOG) Ready() <-chan struct{} { return n.ready }

// Stats returns the counts so far; safe to call while Run runs.
func (n *NFLOG) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stats
}

// From linux/netfilter/nfnetlink_log.h.
const (
	nfulnlMsgPacket = 0
	nfulnlMsgConfig = 1

	nfulaCfgCmd     = 1
	nfulaCfgMode    = 2
	nfulaCfgTimeout = 4
	nfulaCfgQThresh = 5
	nfulaCfgFlags   = 6

	nfulnlCfgCmdBind = 1
	nfulnlCopyPacket = 2
	nfulnlCfgFSeq    = 1

	nfulaTimestamp = 3
	nfulaPayload   = 9
	nfulaPrefix    = 10
	nfulaSeq       = 12
)

// Bounds of the listener.
const (
	readBuffer  = 4 << 20                // bytes the kernel may queue for us
	tick        = 250 * time.Millisecond // how often windows are closed and ctx is looked at
	copyBytes   = 128                    // of each packet
	flushEvery  = 64                     // messages the kernel may batch
	flushWithin = 10                     // hundredths of a second it may wait for them
)

// Run listens until ctx ends, then reports what it still holds.
func (n *NFLOG) Run(ctx context.Context) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: n.opts.NetNS})
	if err != nil {
		return fmt.Errorf("listen to %s: %w", n, err)
	}
	defer conn.Close()
	_ = conn.SetReadBuffer(readBuffer) // smaller only means that losses are counted sooner
	if err := n.configure(conn); err != nil {
		return fmt.Errorf("listen to %s: %w", n, err)
	}
	close(n.ready)
	for ctx.Err() == nil {
		if err := n.once(conn); err != nil {
			return err
		}
	}
	return n.report(n.limit.drain(nil))
}

// once receives what comes within a tick and reports it.
func (n *NFLOG) once(conn *netlink.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(tick)); err != nil {
		return err
	}
	msgs, err := conn.Receive()
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, unix.ENOBUFS): // the gap in the numbering says how many
	case errors.As(err, &timeout) && timeout.Timeout():
	case err != nil:
		return fmt.Errorf("receive from %s: %w", n, err)
	}
	now := flow.TimeOf(n.opts.Now())
	out := n.limit.expire(now, nil)
	n.mu.Lock()
	for _, m := range msgs {
		if m.Header.Type == unix.NFNL_SUBSYS_ULOG<<8|nfulnlMsgPacket && len(m.Data) >= 4 {
			out = n.message(m.Data[4:], now, out)
		}
	}
	n.stats.Overflow = n.limit.overflow
	n.mu.Unlock()
	return n.report(out)
}

func (n *NFLOG) report(out []policy.Violation) error {
	if len(out) == 0 {
		return nil
	}
	n.mu.Lock()
	n.stats.Reported += uint64(len(out))
	n.mu.Unlock()
	if err := n.sink.Violations(out); err != nil {
		return fmt.Errorf("%s: store violations: %w", n, err)
	}
	return nil
}

// message handles one logged packet.
func (n *NFLOG) message(data []byte, now flow.Time, out []policy.Violation) []policy.Violation {
	n.stats.Events++
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		n.stats.Malformed++
		return out
	}
	ad.ByteOrder = binary.BigEndian
	var prefix string
	var payload []byte
	at := now
	for ad.Next() {
		switch ad.Type() {
		case nfulaPrefix:
			prefix = strings.TrimRight(ad.String(), "\x00")
		case nfulaPayload:
			payload = ad.Bytes()
		case nfulaTimestamp:
			if b := ad.Bytes(); len(b) == 16 {
				at = flow.Time(binary.BigEndian.Uint64(b)*1e9 + binary.BigEndian.Uint64(b[8:])*1e3)
			}
		case nfulaSeq:
			n.sequence(ad.Uint32())
		}
	}
	key, ok := ParsePacket(payload)
	if ad.Err() != nil || !ok {
		n.stats.Malformed++
		return out
	}
	v, id, ok := n.book.violation(prefix, key)
	if !ok {
		n.stats.Unknown++
		return out
	}
	v.Time, v.Host = at, n.opts.Host
	if n.opts.Workload != nil {
		v.Client.Workload, v.Server.Workload = n.opts.Workload(key.Client), n.opts.Workload(key.Server)
	}
	if n.limit.add(id, v) {
		if n.opts.Process != nil {
			v.Process = n.opts.Process(key, v.Inbound)
		}
		out = append(out, v)
	}
	return out
}

// sequence counts the messages that the kernel numbered and we never got.
func (n *NFLOG) sequence(seq uint32) {
	if n.begun {
		n.stats.Lost += uint64(seq - n.next) // unsigned: right across the wrap
	}
	n.begun, n.next = true, seq+1
}

// configure binds the group and asks for the first bytes of packets, numbered.
func (n *NFLOG) configure(conn *netlink.Conn) error {
	steps := []netlink.Attribute{
		{Type: nfulaCfgCmd, Data: []byte{nfulnlCfgCmdBind}},
		{Type: nfulaCfgMode, Data: append(binary.BigEndian.AppendUint32(nil, copyBytes), nfulnlCopyPacket, 0)},
		{Type: nfulaCfgFlags, Data: binary.BigEndian.AppendUint16(nil, nfulnlCfgFSeq)},
		{Type: nfulaCfgQThresh, Data: binary.BigEndian.AppendUint32(nil, flushEvery)},
		{Type: nfulaCfgTimeout, Data: binary.BigEndian.AppendUint32(nil, flushWithin)},
	}
	for _, a := range steps {
		attrs, err := netlink.MarshalAttributes([]netlink.Attribute{a})
		if err != nil {
			return err
		}
		head := binary.BigEndian.AppendUint16([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0}, n.opts.Group)
		_, err = conn.Execute(netlink.Message{
			Header: netlink.Header{Type: unix.NFNL_SUBSYS_ULOG<<8 | nfulnlMsgConfig, Flags: netlink.Request | netlink.Acknowledge},
			Data:   append(head, attrs...),
		})
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("another program listens to this group: %w", err)
		}
		if err != nil {
			return fmt.Errorf("configure option %d: %w", a.Type, err)
		}
	}
	return nil
}
