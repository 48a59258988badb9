package watch

import (
	"encoding/binary"
	"errors"
	"fmt"

	"net/netip"

	"github.com/mdlayher/netlink"
	vnetlink "github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/flow"
)

// sockets asks the kernel about the sockets of a namespace, one at a time or those
// that listen (sock_diag(7)). It is not safe for concurrent use.
type sockets struct {
	netns int
	conn  *netlink.Conn // opened at the first question
}

// socket is what the kernel says about one.
type socket struct {
	local  netip.AddrPort
	inode  uint32
	cgroup uint64 // id of its control group; 0 where the kernel does not say
}

// From linux/sock_diag.h and inet_diag.h.
const (
	sockDiagByFamily  = 20
	inetDiagReqBytes  = 56
	inetDiagMsgBytes  = 72
	inetDiagCgroupID  = 21 // since Linux 5.9
	tcpListen         = 10
	everySocketCookie = ^uint32(0)
)

// find returns the socket that the packets of a connection go to at its local
// end: the connection's own, or the one that listens for it.
func (s *sockets) find(proto uint8, local, remote netip.AddrPort) (socket, bool, error) {
	if proto != flow.TCP && proto != flow.UDP {
		return socket{}, false, nil
	}
	found, err := s.ask(diagRequest(proto, 0, local, remote), netlink.Request)
	if errors.Is(err, unix.ENOENT) || err == nil && len(found) == 0 {
		return socket{}, false, nil
	}
	if err != nil {
		return socket{}, false, fmt.Errorf("find the socket of %v: %w", local, err)
	}
	return found[0], true, nil
}

// listening returns the TCP sockets that listen.
func (s *sockets) listening() (out []socket, err error) {
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		end := netip.AddrPortFrom(any, 0)
		list, err := s.ask(diagRequest(flow.TCP, 1<<tcpListen, end, end), netlink.Request|netlink.Dump)
		if err != nil {
			return nil, fmt.Errorf("list listeners: %w", err)
		}
		out = append(out, list...)
	}
	return out, nil
}

// diagRequest is struct inet_diag_req_v2.
func diagRequest(proto uint8, states uint32, local, remote netip.AddrPort) []byte {
	b := make([]byte, inetDiagReqBytes)
	b[0], b[1] = unix.AF_INET6, proto
	if local.Addr().Is4() {
		b[0] = unix.AF_INET
	}
	binary.NativeEndian.PutUint32(b[4:], states)
	binary.BigEndian.PutUint16(b[8:], local.Port())
	binary.BigEndian.PutUint16(b[10:], remote.Port())
	copy(b[12:28], local.Addr().AsSlice())
	copy(b[28:44], remote.Addr().AsSlice())
	binary.NativeEndian.PutUint32(b[48:], everySocketCookie)
	binary.NativeEndian.PutUint32(b[52:], everySocketCookie)
	return b
}

func (s *sockets) ask(request []byte, flags netlink.HeaderFlags) ([]socket, error) {
	if s.conn == nil {
		conn, err := netlink.Dial(unix.NETLINK_INET_DIAG, &netlink.Config{NetNS: s.netns})
		if err != nil {
			return nil, err
		}
		s.conn = conn
	}
	msgs, err := s.conn.Execute(netlink.Message{Header: netlink.Header{Type: sockDiagByFamily, Flags: flags}, Data: request})
	if err != nil {
		return nil, err
	}
	var out []socket
	for _, m := range msgs {
		if k, ok := parseSocket(m.Data); ok && uint16(m.Header.Type) == sockDiagByFamily {
			out = append(out, k)
		}
	}
	return out, nil
}

// parseSocket reads struct inet_diag_msg and its attributes.
func parseSocket(b []byte) (s socket, ok bool) {
	if len(b) < inetDiagMsgBytes {
		return s, false
	}
	addr, _ := netip.AddrFromSlice(b[8:24])
	if b[0] == unix.AF_INET {
		addr, _ = netip.AddrFromSlice(b[8:12])
	}
	s.local = netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(b[4:]))
	s.inode = binary.NativeEndian.Uint32(b[68:])
	eachAttr(b[inetDiagMsgBytes:], func(kind uint16, v []byte) {
		if kind == inetDiagCgroupID && len(v) == 8 {
			s.cgroup = binary.NativeEndian.Uint64(v)
		}
	})
	return s, true
}

func (s *sockets) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// ownAddresses are the addresses of a namespace's interfaces.
func ownAddresses(ns int) (map[netip.Addr]bool, error) {
	h := &vnetlink.Handle{}
	if ns != 0 {
		var err error
		if h, err = vnetlink.NewHandleAt(netns.NsHandle(ns), unix.NETLINK_ROUTE); err != nil {
			return nil, fmt.Errorf("read addresses: %w", err)
		}
		defer h.Close()
	}
	list, err := h.AddrList(nil, vnetlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, vnetlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	out := map[netip.Addr]bool{}
	for _, a := range list {
		if ip, ok := netip.AddrFromSlice(a.IPNet.IP); ok {
			out[ip.Unmap()] = true
		}
	}
	return out, nil
}
