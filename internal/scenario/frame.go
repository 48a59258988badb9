package scenario

import (
	"encoding/binary"
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// frame builds Ethernet frames into a buffer that is used again and again.
// Payload bytes that no dissector looks at stay zero, which also keeps checksums
// cheap: zeros add nothing to them.
type frame struct {
	buf []byte
	id  uint16 // IPv4 identification, counted up
}

// packet builds the frame of one packet of a flow and returns at most snap bytes
// of it, and the length it has on the wire.
func (f *frame) packet(e *Estate, s *shape, p *packet, snap int) (data []byte, length int) {
	from, to := e.clientParty(s.link, s.v6).Addr, e.hosts[s.link.server].addr(s.v6)
	client := from
	if p.fromServer {
		from, to = to, from
	}
	f.buf = f.buf[:0]
	f.ethernet(from, to, e.vlan(s.link.server))
	network := len(f.buf)
	proto := s.link.svc.Proto
	if p.unreach {
		proto = flow.ICMP
	}
	f.ip(from, to, proto, f.transportLength(s, p))
	transport := len(f.buf)
	switch {
	case p.unreach:
		f.unreachable(s, p, client, e.hosts[s.link.server].addr(s.v6))
	case proto == flow.TCP:
		f.tcp(e, s, p)
	case proto == flow.UDP:
		f.udp(e, s, p)
	default:
		f.icmp(s, p)
	}
	f.checksums(network, transport, proto)
	return f.buf[:min(len(f.buf), snap)], len(f.buf)
}

func (f *frame) transportLength(s *shape, p *packet) int {
	switch {
	case p.unreach:
		return icmpHeader + ipv4Header + udpHeader
	case s.link.svc.Proto == flow.TCP:
		if p.flags&flow.SYN != 0 {
			return tcpHeader + synOption
		}
		return tcpHeader + p.payload
	case s.link.svc.Proto == flow.UDP:
		return udpHeader + p.payload
	}
	return icmpHeader + p.payload
}

func (f *frame) ethernet(from, to netip.Addr, vlan uint16) {
	dst, src := macOf(to), macOf(from)
	if to.IsMulticast() {
		dst = [6]byte{0x01, 0x00, 0x5e, to.As16()[13] & 0x7f, to.As16()[14], to.As16()[15]} // RFC 1112 §6.4
	}
	f.buf = append(append(f.buf, dst[:]...), src[:]...)
	f.buf = append(f.buf, 0x81, 0x00)
	f.buf = binary.BigEndian.AppendUint16(f.buf, vlan)
	if from.Is4() {
		f.buf = append(f.buf, 0x08, 0x00)
	} else {
		f.buf = append(f.buf, 0x86, 0xdd)
	}
}

// ip appends the network header; length is the transport's, in bytes.
func (f *frame) ip(from, to netip.Addr, proto uint8, length int) {
	if !from.Is4() {
		f.buf = append(f.buf, 0x60, 0, 0, 0)
		f.buf = binary.BigEndian.AppendUint16(f.buf, uint16(length))
		f.buf = append(f.buf, proto, 64)
		a, b := from.As16(), to.As16()
		f.buf = append(append(f.buf, a[:]...), b[:]...)
		return
	}
	f.id++
	f.buf = append(f.buf, 0x45, 0)
	f.buf = binary.BigEndian.AppendUint16(f.buf, uint16(ipv4Header+length))
	f.buf = binary.BigEndian.AppendUint16(f.buf, f.id)
	f.buf = append(f.buf, 0x40, 0, 64, proto, 0, 0)
	a, b := from.As4(), to.As4()
	f.buf = append(append(f.buf, a[:]...), b[:]...)
}

func (f *frame) ports(s *shape, p *packet) {
	from, to := s.port, s.link.svc.Port
	if p.fromServer {
		from, to = to, from
	}
	f.buf = binary.BigEndian.AppendUint16(f.buf, from)
	f.buf = binary.BigEndian.AppendUint16(f.buf, to)
}

func (f *frame) tcp(e *Estate, s *shape, p *packet) {
	f.ports(s, p)
	mine, other := uint32(s.seed), uint32(s.seed>>32)
	if p.fromServer {
		mine, other = other, mine
	}
	if p.flags&flow.ACK == 0 {
		other = 0
	} else if p.flags&flow.RST != 0 {
		mine, other = 0, other+1
	}
	f.buf = binary.BigEndian.AppendUint32(f.buf, mine+p.sent)
	f.buf = binary.BigEndian.AppendUint32(f.buf, other+p.got)
	words := byte(5)
	if p.flags&flow.SYN != 0 {
		words = 6
	}
	f.buf = append(f.buf, words<<4, p.flags, 0xfa, 0xf0, 0, 0, 0, 0)
	if p.flags&flow.SYN != 0 {
		f.buf = append(f.buf, 2, 4, 0x05, 0xb4) // maximum segment size 1460
	}
	f.payload(e, s, p)
}

func (f *frame) udp(e *Estate, s *shape, p *packet) {
	f.ports(s, p)
	f.buf = binary.BigEndian.AppendUint16(f.buf, uint16(udpHeader+p.payload))
	f.buf = append(f.buf, 0, 0)
	f.payload(e, s, p)
}

// icmp appends an echo request or its reply (RFC 792).
func (f *frame) icmp(s *shape, p *packet) {
	kind := byte(8)
	if p.fromServer {
		kind = 0
	}
	f.buf = append(f.buf, kind, 0, 0, 0)
	f.buf = binary.BigEndian.AppendUint16(f.buf, s.port)
	f.buf = binary.BigEndian.AppendUint16(f.buf, uint16(p.round+1))
	f.zeros(p.payload)
}

// unreachable appends "port unreachable" with the header it answers (RFC 792).
func (f *frame) unreachable(s *shape, p *packet, client, server netip.Addr) {
	f.buf = append(f.buf, 3, 3, 0, 0, 0, 0, 0, 0)
	quoted := len(f.buf)
	f.ip(client, server, flow.UDP, udpHeader+p.payload)
	binary.BigEndian.PutUint16(f.buf[quoted+10:], ^fold(sum(f.buf[quoted:])))
	f.buf = binary.BigEndian.AppendUint16(f.buf, s.port)
	f.buf = binary.BigEndian.AppendUint16(f.buf, s.link.svc.Port)
	f.buf = binary.BigEndian.AppendUint16(f.buf, uint16(udpHeader+p.payload))
	f.buf = append(f.buf, 0, 0)
}

// payload appends exactly p.payload bytes.
func (f *frame) payload(e *Estate, s *shape, p *packet) {
	if p.payload == 0 {
		return
	}
	end := len(f.buf) + p.payload
	r := derive(s.seed, uint64(p.round))
	switch {
	case s.content == contentDNS:
		if p.fromServer {
			f.buf = dnsAnswer(f.buf, uint16(s.seed), s.name, e.answerAddr(s))
		} else {
			f.buf = dnsQuery(f.buf, uint16(s.seed), s.name, e.hosts[s.answer].v4.IsValid())
		}
	case s.content == contentTLS && !p.fromServer && p.round == 0:
		f.buf = clientHello(f.buf, &r, s.name)
	case s.content == contentTLS && p.payload > 5:
		f.buf = append(f.buf, 23, 3, 3, byte((p.payload-5)>>8), byte(p.payload-5)) // application data
	case s.content == contentHTTP && !p.fromServer:
		f.buf = httpRequest(f.buf, s.name)
	case s.content == contentHTTP && p.part == 0:
		f.buf = append(f.buf, "HTTP/1.1 200 OK\r\n\r\n"...)
	case s.content == contentDHCP:
		f.buf = dhcpMessage(f.buf, p.fromServer, uint32(s.seed), e.hosts[s.link.client].v4, s.name)
	case s.content == contentNTP:
		f.buf = ntpMessage(f.buf, p.fromServer, &r)
	}
	if len(f.buf) > end {
		f.buf = f.buf[:end]
	}
	f.zeros(end - len(f.buf))
}

func (f *frame) zeros(n int) {
	f.buf = append(f.buf, zeroes[:n]...)
}

// zeroes is longer than any payload.
var zeroes [1500]byte
