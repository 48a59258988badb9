package capturetest

import (
	"encoding/binary"
	"math/rand/v2"
)

// builder writes frames into a buffer of its own.
type builder struct {
	buf [2048]byte
	n   int
}

// Lengths of what a packet carries: more than half small, the rest near an Ethernet
// frame's, for a mean of 395 bytes on the wire.
func payloadLength(rng *rand.Rand) int {
	if rng.IntN(100) < 56 {
		return rng.IntN(120)
	}
	return 500 + rng.IntN(900)
}

// packet builds the nth packet of c.
func (b *builder) packet(c *conversation, nth int, rng *rand.Rand) []byte {
	b.n = 0
	fromClient := nth%2 == 0
	b.ethernet(c, fromClient)
	ipAt := b.n
	b.ip(c, fromClient)
	l4 := b.n
	switch c.proto {
	case 6:
		b.tcp(c, nth, fromClient, rng)
	case 17:
		b.udp(c, nth, fromClient, rng)
	default:
		b.icmp(c, fromClient, nth)
	}
	if c.six {
		binary.BigEndian.PutUint16(b.buf[ipAt+4:], uint16(b.n-l4))
	} else {
		binary.BigEndian.PutUint16(b.buf[ipAt+2:], uint16(b.n-ipAt))
	}
	for b.n < 60 { // Ethernet's minimum, without the checksum
		b.u8(0)
	}
	return b.buf[:b.n]
}

func (b *builder) u8(v byte)    { b.buf[b.n] = v; b.n++ }
func (b *builder) u16(v uint16) { binary.BigEndian.PutUint16(b.buf[b.n:], v); b.n += 2 }
func (b *builder) u32(v uint32) { binary.BigEndian.PutUint32(b.buf[b.n:], v); b.n += 4 }
func (b *builder) text(s string) {
	b.n += copy(b.buf[b.n:], s)
}

func (b *builder) fill(n int, rng *rand.Rand) {
	for end := min(b.n+n, len(b.buf)-8); b.n < end; b.n += 8 {
		binary.BigEndian.PutUint64(b.buf[b.n:], rng.Uint64()|0x80)
	}
}

func (b *builder) ethernet(c *conversation, fromClient bool) {
	src, dst := c.client, c.server
	if !fromClient {
		src, dst = dst, src
	}
	for _, host := range []uint16{dst, src} {
		b.u32(0x02420000)
		b.u16(host)
	}
	if c.outer != 0 {
		b.u16(0x88a8)
		b.u16(c.outer)
	}
	if c.vlan != 0 {
		b.u16(0x8100)
		b.u16(c.vlan)
	}
	if c.six {
		b.u16(0x86dd)
	} else {
		b.u16(0x0800)
	}
}

func (b *builder) ip(c *conversation, fromClient bool) {
	src, dst := c.client, c.server
	if !fromClient {
		src, dst = dst, src
	}
	proto := c.proto
	if c.six {
		if proto == 1 {
			proto = 58
		}
		b.u32(6 << 28)
		b.u16(0)
		b.u8(proto)
		b.u8(64)
		for _, host := range []uint16{src, dst} {
			b.u32(0xfd000042)
			b.u32(0)
			b.u32(0)
			b.u32(uint32(host) + 1)
		}
		return
	}
	b.u16(0x4500)
	b.u16(0)
	b.u32(0x00004000) // do not fragment
	b.u8(64)
	b.u8(proto)
	b.u16(0)
	for _, host := range []uint16{src, dst} {
		b.u32(10<<24 | uint32(host>>8)<<16 | uint32(host&0xff)<<8 | 10)
	}
}

func (b *builder) ports(c *conversation, fromClient bool) {
	if fromClient {
		b.u16(c.port)
		b.u16(c.serverPort)
		return
	}
	b.u16(c.serverPort)
	b.u16(c.port)
}

// tcp writes a handshake, data in alternating directions, and an end.
func (b *builder) tcp(c *conversation, nth int, fromClient bool, rng *rand.Rand) {
	b.ports(c, fromClient)
	seq, ack := c.clientSeq, c.serverSeq
	if !fromClient {
		seq, ack = ack, seq
	}
	b.u32(seq)
	b.u32(ack)
	b.u8(5 << 4)
	flags, size := byte(0x10), payloadLength(rng)
	switch {
	case nth == 0:
		flags, size = 0x02, 0
	case nth == 1:
		flags, size = 0x12, 0
	case nth >= int(c.packets)-2 && c.packets > 4:
		flags, size = 0x11, 0
	}
	b.u8(flags)
	b.u16(65535)
	b.u32(0)
	at := b.n
	switch {
	case nth == 2 && c.serverPort == 443:
		b.hello(hostName(c.server))
	case nth == 2 && c.serverPort == 80:
		b.text("GET /index HTTP/1.1\r\nHost: " + hostName(c.server) + "\r\nUser-Agent: capturetest\r\n\r\n")
	default:
		b.fill(size, rng)
	}
	if fromClient {
		c.clientSeq += uint32(b.n - at)
	} else {
		c.serverSeq += uint32(b.n - at)
	}
}

func (b *builder) udp(c *conversation, nth int, fromClient bool, rng *rand.Rand) {
	at := b.n
	b.ports(c, fromClient)
	b.u32(0)
	switch {
	case c.serverPort == 53:
		b.dns(c, fromClient, uint16(nth/2))
	case c.serverPort == 123:
		mode := byte(0x23)
		if !fromClient {
			mode = 0x24
		}
		b.u8(mode)
		b.fill(47, rng)
	default:
		b.fill(payloadLength(rng), rng)
	}
	binary.BigEndian.PutUint16(b.buf[at+4:], uint16(b.n-at))
}

func (b *builder) icmp(c *conversation, fromClient bool, nth int) {
	kind := byte(8)
	if c.six {
		kind = 128
	}
	if !fromClient {
		kind = 0
		if c.six {
			kind = 129
		}
	}
	b.u8(kind)
	b.u8(0)
	b.u16(0)
	b.u16(c.port)
	b.u16(uint16(nth / 2))
	b.text("abcdefghijklmnopqrstuvwabcdefghijklmnopqrstuvw")
}

// hostName names a server.
func hostName(host uint16) string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	return "srv-" + string(letters[host%26]) + string(letters[host/26%26]) + ".shop.example"
}

// hello writes a TLS 1.2 ClientHello with a server name (RFC 5246 §7.4.1.2).
func (b *builder) hello(name string) {
	const before = 2 + 32 + 1 + 2 + 4 + 2 + 2 // version … compression, length of extensions
	extension := 9 + len(name)
	b.u8(0x16)
	b.u16(0x0301)
	b.u16(uint16(4 + before + extension))
	b.u8(1)
	b.u8(0)
	b.u16(uint16(before + extension))
	b.u16(0x0303)
	for range 8 {
		b.u32(0x5eed5eed)
	}
	b.u8(0)
	b.u16(4)
	b.u32(0xc02bc02f)
	b.u16(0x0100)
	b.u16(uint16(extension))
	b.u16(0)
	b.u16(uint16(5 + len(name)))
	b.u16(uint16(3 + len(name)))
	b.u8(0)
	b.u16(uint16(len(name)))
	b.text(name)
}

// dns writes a query for a server's name, or the answer.
func (b *builder) dns(c *conversation, query bool, id uint16) {
	b.u16(id)
	if query {
		b.u16(0x0100)
	} else {
		b.u16(0x8180)
	}
	b.u16(1)
	answers := uint16(1)
	if query {
		answers = 0
	}
	b.u16(answers)
	b.u32(0)
	name := hostName(id*7 + c.server)
	for start, i := 0, 0; i <= len(name); i++ {
		if i == len(name) || name[i] == '.' {
			b.u8(byte(i - start))
			b.text(name[start:i])
			start = i + 1
		}
	}
	b.u8(0)
	b.u32(0x00010001)
	if !query {
		b.u16(0xc00c)
		b.u32(0x00010001)
		b.u32(300)
		b.u16(4)
		b.u32(10<<24 | uint32(c.server)<<8 | 10)
	}
}
