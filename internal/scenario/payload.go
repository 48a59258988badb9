package scenario

import (
	"encoding/binary"
	"net/netip"
)

// dnsLengths are the lengths of a query for the name and of its answer.
func dnsLengths(name string, v4 bool) (query, answer int) {
	query = 12 + len(name) + 2 + 4
	if v4 {
		return query, query + 16
	}
	return query, query + 28
}

// dnsQuery appends a question (RFC 1035 §4.1) for A or AAAA.
func dnsQuery(b []byte, id uint16, name string, v4 bool) []byte {
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0) // recursion desired, one question
	return appendQuestion(b, name, v4)
}

// dnsAnswer appends the response that gives the name one address.
func dnsAnswer(b []byte, id uint16, name string, addr netip.Addr) []byte {
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0) // response, recursion available
	b = appendQuestion(b, name, addr.Is4())
	kind := byte(1) // A
	if !addr.Is4() {
		kind = 28 // AAAA (RFC 3596)
	}
	b = append(b, 0xc0, 12, 0, kind, 0, 1, 0, 0, 0x0e, 0x10, 0, byte(addr.BitLen()/8)) // TTL 3600 s
	return append(b, addr.AsSlice()...)
}

func appendQuestion(b []byte, name string, v4 bool) []byte {
	b = appendLabels(b, name)
	if v4 {
		return append(b, 0, 1, 0, 1)
	}
	return append(b, 0, 28, 0, 1)
}

// appendLabels writes a domain name as length-prefixed labels.
func appendLabels(b []byte, name string) []byte {
	for from := 0; from <= len(name); {
		to := from
		for to < len(name) && name[to] != '.' {
			to++
		}
		b = append(b, byte(to-from))
		b = append(b, name[from:to]...)
		from = to + 1
	}
	return append(b, 0)
}

// helloFixed is the length of a ClientHello record without the name in it.
const helloFixed = 9 + 2 + 32 + 1 + 32 + 2 + 4 + 2 + 2

// helloLength is the length of clientHello for the name.
func helloLength(name string) int {
	if name == "" {
		return helloFixed
	}
	return helloFixed + 9 + len(name)
}

// clientHello appends a TLS record with a ClientHello (RFC 8446 §4.1.2) whose
// only extension is server_name (RFC 6066 §3), none when the name is empty.
func clientHello(b []byte, r *rng, name string) []byte {
	n := helloLength(name)
	b = append(b, 22, 3, 1, byte((n-5)>>8), byte(n-5)) // handshake record
	b = append(b, 1, 0, byte((n-9)>>8), byte(n-9))     // client_hello
	b = append(b, 3, 3)
	b = appendRandom(b, r, 32)
	b = append(b, 32)
	b = appendRandom(b, r, 32)
	b = append(b, 0, 4, 0x13, 0x01, 0x13, 0x02, 1, 0) // two suites, no compression
	if name == "" {
		return append(b, 0, 0)
	}
	ext := 9 + len(name)
	b = append(b, byte(ext>>8), byte(ext), 0, 0, byte((ext-4)>>8), byte(ext-4))
	b = append(b, byte((ext-6)>>8), byte(ext-6), 0, byte(len(name)>>8), byte(len(name)))
	return append(b, name...)
}

func appendRandom(b []byte, r *rng, n int) []byte {
	for ; n > 0; n -= 8 {
		b = binary.BigEndian.AppendUint64(b, r.next())
	}
	return b
}

// httpLength is the length of httpRequest for the name.
func httpLength(name string) int { return len(httpBefore) + len(name) + len(httpAfter) }

const (
	httpBefore = "GET / HTTP/1.1\r\nHost: "
	httpAfter  = "\r\nUser-Agent: estate\r\nAccept: */*\r\n\r\n"
)

// httpRequest appends a GET; without a name the Host field is empty (RFC 9110
// §7.2).
func httpRequest(b []byte, name string) []byte {
	b = append(b, httpBefore...)
	b = append(b, name...)
	return append(b, httpAfter...)
}

// dhcpFixed is the length of a DHCP message without its host name: the BOOTP
// frame, the magic cookie, message type, end.
const dhcpFixed = 236 + 4 + 3 + 1

func dhcpLength(host string) int {
	if host == "" {
		return dhcpFixed
	}
	return dhcpFixed + 2 + len(host)
}

// dhcpMessage appends a REQUEST (renewal, RFC 2131 §4.3.6) or its ACK with the
// host name option (RFC 2132 §3.14).
func dhcpMessage(b []byte, reply bool, id uint32, client netip.Addr, host string) []byte {
	op, kind := byte(1), byte(3)
	if reply {
		op, kind = 2, 5
	}
	b = append(b, op, 1, 6, 0)
	b = binary.BigEndian.AppendUint32(b, id)
	b = append(b, 0, 0, 0, 0)
	a := client.As4()
	b = append(b, a[:]...) // ciaddr
	if reply {
		b = append(b, a[:]...) // yiaddr
	} else {
		b = append(b, 0, 0, 0, 0)
	}
	b = append(b, make([]byte, 8)...)
	mac := macOf(client)
	b = append(b, mac[:]...)
	b = append(b, make([]byte, 10+64+128)...)
	b = append(b, 0x63, 0x82, 0x53, 0x63, 53, 1, kind)
	if host != "" {
		b = append(b, 12, byte(len(host)))
		b = append(b, host...)
	}
	return append(b, 255)
}

// ntpMessage appends a client request (mode 3) or a server response (mode 4) of
// version 4 (RFC 5905 §7.3).
func ntpMessage(b []byte, reply bool, r *rng) []byte {
	if reply {
		b = append(b, 4<<3|4, 2, 6, 0xec)
	} else {
		b = append(b, 4<<3|3, 0, 6, 0xec)
	}
	b = append(b, make([]byte, 36)...)
	return appendRandom(b, r, 8)
}

// macOf gives a locally administered hardware address for an address.
func macOf(a netip.Addr) [6]byte {
	b := a.As16()
	return [6]byte{0x02, b[11] ^ b[6], b[12], b[13], b[14], b[15]}
}
