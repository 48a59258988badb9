package watch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/flow"
)

// Group is a subscription to one NFLOG group of a namespace. It is not safe for
// concurrent use. Only one program can hold a group.
type Group struct {
	conn *netlink.Conn
	raw  syscall.RawConn
	buf  []byte
	next uint32 // sequence number expected; valid once begun
	lost uint64

	begun bool
}

// Packet is one logged packet. Payload is only valid during the call it came by.
type Packet struct {
	Prefix  string
	Payload []byte    // from the IP header on, cut to some length
	Time    flow.Time // when the packet was received; 0 when the kernel does not say
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

// Bounds of a subscription.
const (
	readBuffer   = 4 << 20 // bytes the kernel may queue for us
	copyBytes    = 128     // of each packet
	maxDatagrams = 256     // handed over by one Receive
	flushEvery   = 64      // messages the kernel may batch
	flushWithin  = 2       // hundredths of a second it may wait for them
)

// JoinGroup subscribes to a group in the namespace of the file descriptor; 0 for
// the caller's own.
func JoinGroup(netns int, group uint16) (*Group, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netns})
	if err != nil {
		return nil, fmt.Errorf("join nflog group %d: %w", group, err)
	}
	_ = conn.SetReadBuffer(readBuffer) // smaller only means that losses come sooner, counted
	g := &Group{conn: conn, buf: make([]byte, 1<<17)}
	err = g.configure(group)
	if err == nil {
		g.raw, err = conn.SyscallConn()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("join nflog group %d: %w", group, err)
	}
	return g, nil
}

// Close leaves the group.
func (g *Group) Close() error { return g.conn.Close() }

// Lost counts packets that the kernel numbered and could not deliver.
func (g *Group) Lost() uint64 { return g.lost }

// Receive waits up to d for packets, then hands over all that have come, up to a
// bound. It returns how many messages were malformed.
func (g *Group) Receive(d time.Duration, visit func(Packet)) (malformed int, err error) {
	if err := g.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return 0, err
	}
	for i := range maxDatagrams {
		n, err := readDatagram(g.raw, g.buf, i > 0)
		var timeout interface{ Timeout() bool }
		switch {
		case errors.Is(err, unix.ENOBUFS): // the gap in the numbering says how many
			continue
		case errors.Is(err, unix.EAGAIN), errors.As(err, &timeout) && timeout.Timeout():
			return malformed, nil
		case err != nil:
			return malformed, err
		}
		malformed += g.datagram(g.buf[:n], visit)
	}
	return malformed, nil
}

// readDatagram takes one datagram; more says that it must not wait.
func readDatagram(raw syscall.RawConn, buf []byte, more bool) (n int, err error) {
	var got error
	err = raw.Read(func(fd uintptr) bool {
		n, _, got = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
		return more || !errors.Is(got, unix.EAGAIN)
	})
	return n, errors.Join(err, got)
}

// datagram visits the packets of a batch of netlink messages.
func (g *Group) datagram(b []byte, visit func(Packet)) (malformed int) {
	const header = unix.NLMSG_HDRLEN + 4 // and nfgenmsg
	for len(b) >= header {
		n := int(binary.NativeEndian.Uint32(b))
		if n < header || n > len(b) {
			return malformed + 1
		}
		if binary.NativeEndian.Uint16(b[4:]) == unix.NFNL_SUBSYS_ULOG<<8|nfulnlMsgPacket {
			if p, ok := g.parse(b[header:n]); ok {
				visit(p)
			} else {
				malformed++
			}
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return malformed
}

func (g *Group) parse(data []byte) (p Packet, ok bool) {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return p, false
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		switch ad.Type() {
		case nfulaPrefix:
			p.Prefix = ad.String()
		case nfulaPayload:
			p.Payload = ad.Bytes()
		case nfulaTimestamp:
			if b := ad.Bytes(); len(b) == 16 {
				p.Time = flow.Time(binary.BigEndian.Uint64(b)*1e9 + binary.BigEndian.Uint64(b[8:])*1e3)
			}
		case nfulaSeq:
			g.sequence(ad.Uint32())
		}
	}
	return p, ad.Err() == nil
}

// sequence counts the messages that the kernel numbered and we never got.
func (g *Group) sequence(seq uint32) {
	if g.begun {
		g.lost += uint64(seq - g.next) // unsigned: right across the wrap
	}
	g.begun, g.next = true, seq+1
}

// configure binds the group and asks for the first bytes of packets, numbered.
func (g *Group) configure(group uint16) error {
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
		head := binary.BigEndian.AppendUint16([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0}, group)
		_, err = g.conn.Execute(netlink.Message{
			Header: netlink.Header{Type: unix.NFNL_SUBSYS_ULOG<<8 | nfulnlMsgConfig, Flags: netlink.Request | netlink.Acknowledge},
			Data:   append(head, attrs...),
		})
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("another program listens to it: %w", err)
		}
		if err != nil {
			return fmt.Errorf("configure option %d: %w", a.Type, err)
		}
	}
	return nil
}
