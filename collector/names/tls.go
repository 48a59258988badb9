package names

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// tls reads server_name from a ClientHello that starts in p.
func (o *Observer) tls(p *capture.Packet) bool {
	b := p.Payload
	if len(b) < 6 || b[1] != 3 || b[5] != 1 { // handshake of SSL 3.0 or later, ClientHello
		return true
	}
	name, ok := ServerName(b)
	if name != "" {
		o.add(p.Dst.Netip(), name, flow.NameSNI)
	}
	return ok
}

// ServerName finds the host name in a TLS record that holds a ClientHello (RFC
// 8446 §4.1.2, RFC 6066 §3). The name is empty when there is none; ok is false
// when the message is malformed or cut off.
func ServerName(b []byte) (name string, ok bool) {
	r := reader{b: b}
	r.skip(5 + 4 + 2 + 32) // record, handshake, version, random
	r.skip(int(r.u8()))    // session id
	r.skip(int(r.u16()))   // cipher suites
	r.skip(int(r.u8()))    // compression methods
	if r.failed {
		return "", false
	}
	if len(r.b) < 2 {
		return "", true // no extensions
	}
	for left := int(r.u16()); left >= 4 && !r.failed; {
		kind, size := r.u16(), int(r.u16())
		left -= 4 + size
		if kind != 0 {
			r.skip(size)
			continue
		}
		if size < 5 {
			return "", size == 0
		}
		r.skip(2)
		hostName := r.u8() == 0
		v := r.take(int(r.u16()))
		if r.failed || !hostName {
			return "", false
		}
		return string(v), true
	}
	return "", !r.failed
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
