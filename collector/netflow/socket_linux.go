package netflow

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize = 64
	// stride is the distance of the datagrams' buffers: the largest datagram, and
	// a cache line more, so that they do not all fall into the same cache sets.
	stride      = 65536 + 64
	controlSize = 64
)

// message is struct mmsghdr of recvmmsg(2).
type message struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// socket is a UDP socket read in batches. One goroutine reads it.
type socket struct {
	conn     *net.UDPConn
	raw      syscall.RawConn
	buffer   int // receive buffer granted, bytes
	messages [batchSize]message
	vectors  [batchSize]unix.Iovec
	names    [batchSize]unix.RawSockaddrInet6
	control  [batchSize][controlSize]byte
	data     []byte
	dropped  uint32 // last SO_RXQ_OVFL, a running count
	count    int
	err      error
	step     func(fd uintptr) bool
}

// openSocket binds a socket that shares its port (SO_REUSEPORT) and reports its
// drops (SO_RXQ_OVFL, socket(7)).
func openSocket(address string, buffer int) (*socket, error) {
	s := &socket{}
	var failed error
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		err := c.Control(func(fd uintptr) { s.buffer, failed = setOptions(int(fd), buffer) })
		if err != nil {
			return err
		}
		return failed
	}}
	conn, err := config.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return nil, err
	}
	s.conn = conn.(*net.UDPConn)
	if s.raw, err = s.conn.SyscallConn(); err != nil {
		return nil, err
	}
	s.data = make([]byte, batchSize*stride)
	for i := range s.messages {
		s.vectors[i].Base = &s.data[i*stride]
		s.vectors[i].SetLen(stride)
		h := &s.messages[i].header
		h.Name = (*byte)(unsafe.Pointer(&s.names[i]))
		h.Iov = &s.vectors[i]
		h.SetIovlen(1)
		h.Control = &s.control[i][0]
	}
	s.step = s.receive
	return s, nil
}

// setOptions asks for a large receive buffer, past rmem_max where we may, and
// returns what was granted.
func setOptions(fd, buffer int) (int, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1); err != nil {
		return 0, err
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer); err != nil {
			return 0, err
		}
	}
	granted, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return granted / 2, err // the kernel doubles it for its own bookkeeping
}

// read waits for datagrams and returns how many came; it honours the read
// deadline of conn.
func (s *socket) read() (int, error) {
	s.count, s.err = 0, nil
	if err := s.raw.Read(s.step); err != nil {
		return 0, err
	}
	return s.count, s.err
}

// poll returns at once.
func (s *socket) poll() (int, error) {
	s.count, s.err = 0, nil
	err := s.raw.Control(func(fd uintptr) { s.receive(fd) })
	if err != nil {
		return 0, err
	}
	return s.count, s.err
}

// receive is one recvmmsg(2); false means that there was nothing.
func (s *socket) receive(fd uintptr) bool {
	for i := range s.messages {
		h := &s.messages[i].header
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSize)
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&s.messages[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			s.count = int(n)
			return true
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		s.err = errno
		return true
	}
}

func (s *socket) payload(i int) []byte {
	return s.data[i*stride : i*stride+int(s.messages[i].length)]
}

// from is the sender of datagram i.
func (s *socket) from(i int) netip.AddrPort {
	n := &s.names[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&n.Port))[:])
	if n.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(n))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(n.Addr).Unmap(), port)
}

// newDrops is how many datagrams the kernel dropped since the last call, as the
// last of n messages says; the running count is 32 bits wide.
func (s *socket) newDrops(n int) uint64 {
	b := s.control[n-1][:s.messages[n-1].header.Controllen]
	if len(b) < unix.SizeofCmsghdr+4 {
		return 0
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SO_RXQ_OVFL {
		return 0
	}
	total := binary.NativeEndian.Uint32(b[unix.CmsgLen(0):])
	fresh := total - s.dropped
	s.dropped = total
	return uint64(fresh)
}
