package watch

import (
	"encoding/binary"
	"testing"
)

// FuzzParseConnection: any bytes are read without a panic, and what is accepted is
// a flow: two addresses, a protocol, an identity.
func FuzzParseConnection(f *testing.F) {
	attr := func(kind uint16, v []byte) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(v)))
		b = append(binary.NativeEndian.AppendUint16(b, kind), v...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return b
	}
	ip := attr(ctaTupleIP, append(attr(1, []byte{10, 0, 0, 1}), attr(2, []byte{10, 0, 0, 2})...))
	proto := attr(ctaTupleProto, append(attr(1, []byte{6}), append(attr(2, []byte{1, 2}), attr(3, []byte{0, 80})...)...))
	good := attr(ctaTupleOrig, append(ip, proto...))
	f.Add(good)
	f.Add(append(good, attr(ctaStatus, []byte{0, 0, 0, 6})...))
	f.Add(good[:len(good)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		c, ok := parseConnection(b)
		if ok && (!c.key.Client.IsValid() || !c.key.Server.IsValid() || c.key.Proto == 0 || c.flow == 0) {
			t.Errorf("accepted %+v", c)
		}
	})
}

func TestParseConnection(t *testing.T) {
	if _, ok := parseConnection(nil); ok {
		t.Error("nothing is a connection")
	}
}
