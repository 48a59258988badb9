package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Kernel is a connection to the nf_tables of one network namespace. It is not
// safe for concurrent use.
type Kernel struct {
	conn *netlink.Conn
	raw  syscall.RawConn
	buf  []byte // for dumps
	seq  uint32

	known   *Ruleset // verified at generation knownAt; nil when not known
	knownAt uint32
	own     bool // take the table for ourselves where the kernel can
}

// socketBuffer is large enough that neither a transaction nor its answers
// overflow the socket; SO_*BUFFORCE lets root go past the system's limit.
const socketBuffer = 64 << 20

// answerTimeout bounds the wait for the kernel's verdict on a transaction. It is
// long: a million elements take seconds.
const answerTimeout = 60 * time.Second

// Open connects to nf_tables in the namespace of the file descriptor; 0 for the
// caller's own.
func Open(netns int) (*Kernel, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netns})
	if err != nil {
		return nil, fmt.Errorf("open nf_tables: %w", err)
	}
	k := &Kernel{conn: conn, buf: make([]byte, 1<<18), seq: 1}
	if k.raw, err = conn.SyscallConn(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("open nf_tables: %w", err)
	}
	// Not fatal: small rulesets fit any buffer, and large ones fail loudly.
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	_ = conn.SetOption(netlink.ExtendedAcknowledge, true)
	return k, nil
}

// Close ends the connection.
func (k *Kernel) Close() error { return k.conn.Close() }

// ErrStale says that somebody changed the ruleset between reading and writing.
var ErrStale = errors.New("the ruleset changed meanwhile")

// commit sends a transaction and waits for its outcome. Any error but ErrStale
// leaves the outcome unknown until the ruleset is read back.
func (k *Kernel) commit(ctx context.Context, b *batch) error {
	last := b.ackLast()
	data := b.finish()
	if len(data) > socketBuffer/2 {
		_ = k.conn.SetWriteBuffer(2 * len(data))
	}
	if err := k.send(data); err != nil {
		return fmt.Errorf("send %d bytes: %w", len(data), err)
	}
	deadline := time.Now().Add(answerTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := k.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	for {
		msgs, err := k.conn.Receive()
		if err != nil {
			if errors.Is(err, unix.ERESTART) {
				return ErrStale
			}
			return fmt.Errorf("transaction of %d messages: %w", b.count, err)
		}
		for _, m := range msgs {
			if m.Header.Type == netlink.Error && m.Header.Sequence == last {
				return nil
			}
		}
	}
}

// ackLast marks the last message so far to be acknowledged and returns its
// sequence number. The kernel answers it after the commit, and every failed
// message whether marked or not.
func (b *batch) ackLast() uint32 {
	at := b.open[0]
	flags := binary.NativeEndian.Uint16(b.buf[at+6:])
	binary.NativeEndian.PutUint16(b.buf[at+6:], flags|unix.NLM_F_ACK)
	return binary.NativeEndian.Uint32(b.buf[at+8:])
}

func (k *Kernel) send(data []byte) error {
	var sent error
	err := k.raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), data, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return !errors.Is(sent, unix.EAGAIN)
	})
	return errors.Join(err, sent)
}
