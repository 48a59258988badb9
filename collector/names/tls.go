package names

import (
	"bytes"
	"encoding/binary"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// tls reads server_name from a ClientHello that starts in p. One that goes on in
// the next segment, as those with post-quantum keys do, is put aside until it is
// whole.
func (o *Observer) tls(p *capture.Packet) bool {
	b := p.Payload
	if len(b) < 6 || b[1] != 3 || b[5] != 1 { // handshake of SSL 3.0 or later, ClientHello
		return true
	}
	name, ok := ServerName(b)
	switch whole := 5 + int(binary.BigEndian.Uint16(b[3:])); {
	case len(name) > 0:
		o.add(p.Dst.Netip(), withoutPort(bytes.Clone(name)), flow.NameSNI)
	case !ok && whole > len(b) && whole <= maxHello:
		o.hellos.begin(p, whole)
		return true
	}
	return ok
}

// ServerName finds the host name in a TLS record that holds a ClientHello (RFC
// 8446 §4.1.2, RFC 6066 §3). The name is empty when there is none; ok is false
// when the message is malformed or cut off.
func ServerName(b []byte) (name []byte, ok bool) {
	r := reader{b: b}
	r.skip(5) // the record
	return helloName(&r)
}

// helloName is ServerName for the handshake message alone.
func helloName(r *reader) (name []byte, ok bool) {
	r.skip(4 + 2 + 32)   // handshake, version, random
	r.skip(int(r.u8()))  // session id
	r.skip(int(r.u16())) // cipher suites
	r.skip(int(r.u8()))  // compression methods
	if r.failed {
		return nil, false
	}
	if len(r.b) < 2 {
		return nil, true // no extensions
	}
	left := int(r.u16())
	for left >= 4 && !r.failed {
		kind, size := r.u16(), int(r.u16())
		left -= 4 + size
		if kind != 0 {
			r.skip(size)
			continue
		}
		if size < 5 {
			return nil, size == 0
		}
		r.skip(2)
		hostName := r.u8() == 0
		v := r.take(int(r.u16()))
		if r.failed || !hostName {
			return nil, false
		}
		return v, true
	}
	return nil, !r.failed
}

// maxHello bounds a ClientHello that is put together: one TLS record.
const maxHello = 5 + 1<<14

// hellos are ClientHellos of which a part was seen. Few are under way at a time;
// a newer one takes the place of an older.
type hellos struct {
	slots [64]hello
	open  int
}

type hello struct {
	src, dst         capture.Addr
	srcPort, dstPort uint16
	next             uint32 // sequence number of what comes next
	whole            int    // 0: the slot is free
	b                []byte
}

func (h *hellos) slot(p *capture.Packet) *hello {
	x := (p.Src.Lo ^ p.Dst.Lo ^ uint64(p.SrcPort)<<16 ^ uint64(p.DstPort)) * 0x9e3779b97f4a7c15
	return &h.slots[x>>58]
}

func (h *hellos) begin(p *capture.Packet, whole int) {
	s := h.slot(p)
	if s.whole == 0 {
		h.open++
	}
	*s = hello{p.Src, p.Dst, p.SrcPort, p.DstPort, p.Seq + uint32(len(p.Payload)), whole, append(s.b[:0], p.Payload...)}
}

// next adds p to the hello it belongs to, and returns that once it is whole.
func (h *hellos) next(p *capture.Packet) []byte {
	s := h.slot(p)
	if s.whole == 0 || s.next != p.Seq || s.src != p.Src || s.dst != p.Dst || s.srcPort != p.SrcPort || s.dstPort != p.DstPort {
		return nil
	}
	s.b = append(s.b, p.Payload[:min(len(p.Payload), s.whole-len(s.b))]...)
	s.next += uint32(len(p.Payload))
	if len(s.b) < s.whole {
		return nil
	}
	s.whole = 0
	h.open--
	return s.b
}

// reader takes big-endian fields off a slice; after the first that is not there
// it has failed and gives zeros.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) || r.failed {
		r.failed = true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) skip(n int) { r.take(n) }

func (r *reader) u8() uint8 {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if v := r.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}
