package names

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

const (
	// minInitial is what a client pads its first datagrams to (RFC 9000 §14.1).
	minInitial = 1200
	// maxOpened bounds the Initials opened in a second: each costs about ten
	// microseconds, and a flood of them must not cost more than a tenth of a core.
	maxOpened = 10_000
	// quicEarly is how many datagrams of a client are looked into: browsers shuffle
	// their ClientHello over several, and send them again.
	quicEarly = 24
	// maxCrypto bounds the handshake bytes that are put together.
	maxCrypto = 4096
)

// quicStart reports whether b looks like the first datagram of a QUIC client: a
// long header of a version whose Initials can be read (RFC 9000 §17.2.2, RFC 9369
// §3.2).
func quicStart(b []byte) bool {
	return len(b) >= minInitial && b[0]&0xc0 == 0xc0 && initialOf(b) != nil
}

// initialOf returns the version of an Initial packet, nil for what is none.
func initialOf(b []byte) *quicVersion {
	if len(b) < 7 {
		return nil
	}
	for i := range quicVersions {
		if v := &quicVersions[i]; v.number == binary.BigEndian.Uint32(b[1:]) && b[0]>>4&3 == v.initial {
			return v
		}
	}
	return nil
}

// quic reads the server name from the TLS ClientHello in the Initials of a
// datagram. A ClientHello that is spread over several, as those with post-quantum
// keys are, is put together. What cannot be opened is left alone: a server's
// Initials look alike, and are protected by what the client said.
func (o *Observer) quic(p *capture.Packet) {
	if second := o.now / 1e9; second != o.openedIn {
		o.openedIn, o.opened = second, 0
	}
	for b := p.Payload; len(b) > 0; {
		v := initialOf(b)
		if v == nil {
			return // 0-RTT, padding
		}
		in, rest, ok := parseInitial(b)
		x, known := o.streams.of(p)
		if !ok || known && x.done {
			return
		}
		if o.opened++; o.opened > maxOpened {
			o.stats.Limited++
			return
		}
		frames, ok := v.open(in, in.connection)
		switch {
		case ok && (!known || x.connection != string(in.connection)): // the first, or the first after a Retry
			x.begin(p, string(in.connection))
		case !ok && known: // the server has chosen another id; the keys stay
			frames, ok = v.open(in, []byte(x.connection))
		}
		if !ok {
			return
		}
		if hello := x.add(frames); hello != nil {
			o.helloOf(p, hello)
		}
		b = rest
	}
}

// helloOf reads a handshake message without its record (RFC 9001 §4).
func (o *Observer) helloOf(p *capture.Packet, b []byte) {
	name, ok := helloName(&reader{b: b})
	if !ok {
		o.stats.Malformed++
		return
	}
	if len(name) > 0 {
		o.add(p.Dst.Netip(), withoutPort(bytes.Clone(name)), flow.NameSNI)
	}
}

// streams are the beginnings of handshakes of which a part was seen. A newer one
// takes the place of an older.
type streams struct{ slots [64]stream }

type stream struct {
	src, dst   capture.Addr
	srcPort    uint16
	connection string // the client's choice of destination (RFC 9000 §7.2); "" for a free slot
	done       bool
	b          []byte
	have       [maxCrypto / 64]uint64 // a bit per octet of b
}

// of returns the place of the client that sent p, and whether it holds what that
// client said before.
func (s *streams) of(p *capture.Packet) (x *stream, known bool) {
	x = &s.slots[(p.Src.Lo^p.Dst.Lo^uint64(p.SrcPort)<<16)*0x9e3779b97f4a7c15>>58]
	return x, x.connection != "" && x.src == p.Src && x.dst == p.Dst && x.srcPort == p.SrcPort
}

func (x *stream) begin(p *capture.Packet, connection string) {
	*x = stream{src: p.Src, dst: p.Dst, srcPort: p.SrcPort, connection: connection, b: x.b[:0]}
}

// add puts the CRYPTO frames of one packet into the handshake, and returns its
// ClientHello once that is whole, once.
func (x *stream) add(frames []byte) []byte {
	if !x.crypto(frames) || len(x.b) < 4 || x.b[0] != 1 || !x.whole(4) {
		return nil
	}
	whole := 4 + int(be24(x.b[1:]))
	if whole > len(x.b) || !x.whole(whole) {
		return nil
	}
	x.done = true
	return x.b[:whole]
}

// crypto collects CRYPTO frames (RFC 9000 §19.6), in any order, and skips what else
// an Initial may hold: PADDING, PING and ACK (§12.4).
func (x *stream) crypto(frames []byte) bool {
	for r := (reader{b: frames}); len(r.b) > 0; {
		switch kind := r.u8(); kind {
		case 0x00, 0x01:
		case 0x02, 0x03:
			r.ack(kind == 0x03)
		case 0x06:
			at, size := r.varint(), r.varint()
			if v := r.take(int(min(size, maxCrypto+1))); !r.failed {
				x.put(at, v)
			}
		default:
			return true // CONNECTION_CLOSE, or not for us
		}
		if r.failed {
			return false
		}
	}
	return true
}

func (x *stream) put(at uint64, v []byte) {
	if at > maxCrypto || at+uint64(len(v)) > maxCrypto {
		return
	}
	if end := int(at) + len(v); end > len(x.b) {
		x.b = slices.Grow(x.b, end-len(x.b))[:end] // what is not there yet is in no bit of have
	}
	copy(x.b[at:], v)
	for i := int(at); i < int(at)+len(v); i++ {
		x.have[i/64] |= 1 << (i % 64)
	}
}

// whole reports whether the first n octets are there.
func (x *stream) whole(n int) bool {
	for i := range n {
		if x.have[i/64]&(1<<(i%64)) == 0 {
			return false
		}
	}
	return true
}

// ack skips an ACK frame (RFC 9000 §19.3).
func (r *reader) ack(ecn bool) {
	r.varint()
	r.varint()
	ranges := r.varint()
	r.varint()
	for ; ranges > 0 && !r.failed; ranges-- {
		r.varint()
		r.varint()
	}
	for i := 0; ecn && i < 3; i++ {
		r.varint()
	}
}

// varint reads a variable-length integer (RFC 9000 §16).
func (r *reader) varint() uint64 {
	first := r.u8()
	v := uint64(first & 0x3f)
	for _, b := range r.take(1<<(first>>6) - 1) {
		v = v<<8 | uint64(b)
	}
	return v
}

func be24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
