package netlab

import (
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/flow"
)

// Packet builds an IP packet that opens a flow of that key, with valid checksums:
// a SYN for TCP, an ICMP message of the key's type and code, otherwise ports and
// payload. For protocols without ports the payload follows the IP header.
func Packet(k flow.Key, payload []byte) []byte {
	body := transport(k, payload)
	if k.Client.Is4() {
		return ipv4Packet(k, body)
	}
	p := make([]byte, 40, 40+len(body))
	p[0] = 6 << 4
	binary.BigEndian.PutUint16(p[4:], uint16(len(body)))
	p[6], p[7] = k.Proto, 64
	copy(p[8:], k.Client.AsSlice())
	copy(p[24:], k.Server.AsSlice())
	return append(p, body...)
}

func ipv4Packet(k flow.Key, body []byte) []byte {
	p := make([]byte, 20, 20+len(body))
	p[0] = 4<<4 | 5
	binary.BigEndian.PutUint16(p[2:], uint16(20+len(body)))
	p[8], p[9] = 64, k.Proto
	copy(p[12:], k.Client.AsSlice())
	copy(p[16:], k.Server.AsSlice())
	binary.BigEndian.PutUint16(p[10:], checksum(0, p))
	return append(p, body...)
}

func transport(k flow.Key, payload []byte) []byte {
	var b []byte
	sumAt := -1
	switch k.Proto {
	case flow.TCP:
		b = make([]byte, 20)
		b[12], b[13] = 5<<4, flow.SYN
		binary.BigEndian.PutUint16(b[14:], 0xffff)
		sumAt = 16
	case flow.UDP:
		b = make([]byte, 8)
		binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
		sumAt = 6
	case flow.ICMP, flow.ICMPv6:
		b = make([]byte, 8)
		binary.BigEndian.PutUint16(b, k.ServerPort)
		binary.BigEndian.PutUint16(b[4:], k.ClientPort) // echo identifier
		sumAt = 2
	case flow.SCTP:
		b = make([]byte, 12)
	}
	if flow.HasPorts(k.Proto) {
		binary.BigEndian.PutUint16(b, k.ClientPort)
		binary.BigEndian.PutUint16(b[2:], k.ServerPort)
	}
	b = append(b, payload...)
	if sumAt >= 0 {
		binary.BigEndian.PutUint16(b[sumAt:], checksum(pseudoHeader(k, len(b)), b))
	}
	return b
}

// pseudoHeader sums what RFC 9293 §3.1, RFC 768 and RFC 4443 §2.3 put before the
// transport header; ICMP for IPv4 has none.
func pseudoHeader(k flow.Key, length int) (sum uint32) {
	if k.Proto == flow.ICMP {
		return 0
	}
	for _, a := range [][]byte{k.Client.AsSlice(), k.Server.AsSlice()} {
		for i := 0; i < len(a); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(a[i:]))
		}
	}
	return sum + uint32(k.Proto) + uint32(length)
}

// checksum is RFC 1071's.
func checksum(sum uint32, b []byte) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// Wire puts packets on an interface as if they came from it.
type Wire struct {
	fd int
	to [2]unix.SockaddrLinklayer // IPv4, IPv6
}

// NewWire sends from the interface link of s to the interface of the same name in
// peer, whatever the packets' addresses are.
func NewWire(t testing.TB, s *Space, link string, peer *Space, peerLink string) *Wire {
	t.Helper()
	w := &Wire{}
	here, err := s.link.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	there, err := peer.link.LinkByName(peerLink)
	if err != nil {
		t.Fatal(err)
	}
	s.Do(func() { w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(w.fd) })
	for i, proto := range []uint16{unix.ETH_P_IP, unix.ETH_P_IPV6} {
		w.to[i] = unix.SockaddrLinklayer{Protocol: proto<<8 | proto>>8, Ifindex: here.Attrs().Index, Halen: 6}
		copy(w.to[i].Addr[:], there.Attrs().HardwareAddr)
	}
	return w
}

// Send puts one IP packet on the wire.
func (w *Wire) Send(p []byte) error {
	to := &w.to[0]
	if p[0]>>4 == 6 {
		to = &w.to[1]
	}
	if err := unix.Sendto(w.fd, p, 0, to); err != nil {
		return fmt.Errorf("send %d bytes: %w", len(p), err)
	}
	return nil
}

// Raw sends packets as the namespace's own output, with any source address.
type Raw struct{ v4, v6 int }

// NewRaw opens the raw sockets.
func NewRaw(t testing.TB, s *Space) *Raw {
	t.Helper()
	r := &Raw{}
	var err4, err6, errOpt error
	s.Do(func() {
		r.v4, err4 = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		r.v6, err6 = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		errOpt = unix.SetsockoptInt(r.v6, unix.IPPROTO_IPV6, unix.IPV6_HDRINCL, 1)
	})
	for _, err := range []error{err4, err6, errOpt} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		unix.Close(r.v4)
		unix.Close(r.v6)
	})
	return r
}

// Send gives one packet to the IP layer.
func (r *Raw) Send(p []byte) error {
	if p[0]>>4 == 6 {
		return unix.Sendto(r.v6, p, 0, &unix.SockaddrInet6{Addr: [16]byte(p[24:40])})
	}
	return unix.Sendto(r.v4, p, 0, &unix.SockaddrInet4{Addr: [4]byte(p[16:20])})
}
