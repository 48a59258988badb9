package netflowtest

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const batchSize = 64

// message is struct mmsghdr of sendmmsg(2).
type message struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

type batch struct {
	raw      syscall.RawConn
	messages [batchSize]message
	vectors  [batchSize]unix.Iovec
}

func newBatch(conn *net.UDPConn) (*batch, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &batch{raw: raw}
	for i := range b.messages {
		b.messages[i].header.Iov = &b.vectors[i]
		b.messages[i].header.SetIovlen(1)
	}
	return b, nil
}

func (b *batch) size() int { return batchSize }

// send sends n datagrams, beginning with number from, modulo their count, over a
// connected socket.
func (b *batch) send(datagrams [][]byte, from, n int) (int, error) {
	for i := range n {
		d := datagrams[(from+i)%len(datagrams)]
		b.vectors[i].Base = &d[0]
		b.vectors[i].SetLen(len(d))
	}
	var sent int
	var failed error
	err := b.raw.Write(func(fd uintptr) bool {
		r, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.messages[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			sent = int(r)
		case unix.EAGAIN, unix.EINTR:
			return false
		case unix.ECONNREFUSED, unix.ENOBUFS: // nobody there yet, or no room: not sent
		default:
			failed = errno
		}
		return true
	})
	if err != nil {
		return sent, err
	}
	return sent, failed
}
