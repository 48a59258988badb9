package names

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

// maxAnswers bounds the records read from one message.
const maxAnswers = 256

// Resource record types (RFC 1035 §3.2.2, RFC 3596 §2.1).
const (
	typeA     = 1
	typeCNAME = 5
	typePTR   = 12
	typeAAAA  = 28
)

// dns reads the answers of a response (RFC 1035 §4). An address gets the name it
// was found under, and the name that was asked for when aliases (CNAME) led there.
// It is written by hand because answers are what there is most of: golang.org/x/net
// takes 700 ns for one, and is the oracle of the test.
func (o *Observer) dns(b []byte, kind flow.NameKind) bool {
	if len(b) < 12 {
		return false
	}
	if b[2]&0x80 == 0 {
		return true // a question
	}
	m := message{b: b, off: 12}
	var asked, owner domain
	for n := binary.BigEndian.Uint16(b[4:]); n > 0; n-- {
		if !m.name(&asked) || !m.skip(4) {
			return false
		}
	}
	aliased := false
	records := int(binary.BigEndian.Uint16(b[6:]))
	if kind == flow.NameMDNS { // the addresses are in the additional section, RFC 6763 §12
		records += int(binary.BigEndian.Uint16(b[8:])) + int(binary.BigEndian.Uint16(b[10:]))
	}
	for n := min(records, maxAnswers); n > 0; n-- {
		if !m.name(&owner) || len(b)-m.off < 10 {
			return false
		}
		rtype, size := binary.BigEndian.Uint16(b[m.off:]), int(binary.BigEndian.Uint16(b[m.off+8:]))
		data := m.off + 10
		if !m.skip(10 + size) {
			return false
		}
		switch {
		case rtype == typeA && size == 4:
			o.found(netip.AddrFrom4([4]byte(b[data:])), &owner, &asked, aliased, kind)
		case rtype == typeAAAA && size == 16:
			o.found(netip.AddrFrom16([16]byte(b[data:])), &owner, &asked, aliased, kind)
		case rtype == typeCNAME:
			aliased = aliased || bytes.Equal(owner.text(), asked.text())
		case rtype == typePTR:
			target := message{b: b, off: data}
			var name domain
			if !target.name(&name) {
				return false
			}
			if a, ok := reverse(string(owner.text())); ok {
				o.add(a, name.text(), flow.NamePTR)
			}
		}
	}
	return true
}

func (o *Observer) found(addr netip.Addr, owner, asked *domain, aliased bool, kind flow.NameKind) {
	o.add(addr, owner.text(), kind)
	if aliased && !bytes.Equal(owner.text(), asked.text()) {
		o.add(addr, asked.text(), kind)
	}
}

// domain is a name in text form, lower case, without the trailing dot.
type domain struct {
	b [256]byte
	n int
}

func (d *domain) text() []byte { return d.b[:d.n] }

// message is a place in a DNS message.
type message struct {
	b   []byte
	off int
}

func (m *message) skip(n int) bool {
	m.off += n
	return m.off <= len(m.b)
}

// name reads a name, following compression pointers (RFC 1035 §4.1.4). Each
// pointer must go back further than the one before, which is how real ones do and
// what keeps loops away.
func (m *message) name(d *domain) bool {
	d.n = 0
	at, end, lowest := m.off, -1, len(m.b)
	for {
		if at >= len(m.b) {
			return false
		}
		n := int(m.b[at])
		switch {
		case n == 0:
			if end < 0 {
				end = at + 1
			}
			m.off = end
			return true
		case n >= 0xc0:
			if at+1 >= len(m.b) {
				return false
			}
			to := (n&0x3f)<<8 | int(m.b[at+1])
			if end < 0 {
				end = at + 2
			}
			if to >= lowest || to >= at {
				return false
			}
			at, lowest = to, to
			continue
		case n >= 0x40, at+1+n > len(m.b), d.n+n+1 > 254:
			return false
		}
		if d.n > 0 {
			d.b[d.n] = '.'
			d.n++
		}
		for _, c := range m.b[at+1 : at+1+n] {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c == '.' {
				c = 0 // a dot inside a label is not one between two: refused later
			}
			d.b[d.n] = c
			d.n++
		}
		at += 1 + n
	}
}

// reverse reads the address out of a reverse name (RFC 1035 §3.5, RFC 3596 §2.5).
func reverse(name string) (netip.Addr, bool) {
	if four, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		parts := strings.Split(four, ".")
		if len(parts) != 4 {
			return netip.Addr{}, false
		}
		a, err := netip.ParseAddr(parts[3] + "." + parts[2] + "." + parts[1] + "." + parts[0])
		return a, err == nil
	}
	six, ok := strings.CutSuffix(name, ".ip6.arpa")
	if !ok || len(six) != 63 {
		return netip.Addr{}, false
	}
	var digits [32]byte
	for i := range digits {
		digits[i] = six[62-2*i]
	}
	var b [16]byte
	if _, err := hex.Decode(b[:], digits[:]); err != nil {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16(b), true
}
