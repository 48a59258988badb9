package names

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The keys of RFC 9001 appendix A.1 and RFC 9369 appendix A.1.
func TestQUICKeysEqualTheVectors(t *testing.T) {
	id := unhex(t, "8394c8f03e515708")
	for _, tt := range []struct {
		version         uint32
		key, iv, header string
	}{
		{1, "1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"},
		{0x6b3343cf, "8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"},
	} {
		i := slices.IndexFunc(quicVersions[:], func(v quicVersion) bool { return v.number == tt.version })
		k, err := quicVersions[i].keys(id)
		if err != nil || !bytes.Equal(k.key, unhex(t, tt.key)) || !bytes.Equal(k.iv, unhex(t, tt.iv)) || !bytes.Equal(k.header, unhex(t, tt.header)) {
			t.Errorf("version %#x: %x %x %x, %v", tt.version, k.key, k.iv, k.header, err)
		}
	}
}

// vectorHello is the CRYPTO frame of RFC 9001 appendix A.2: a ClientHello for
// example.com.
const vectorHello = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff"

// sealed protects frames as the client of connection id does, in a datagram of
// 1200 octets that calls the server by called.
func sealed(t testing.TB, v *quicVersion, id, called []byte, number uint32, frames []byte) []byte {
	t.Helper()
	header := []byte{0xc3 | v.initial<<4}
	header = binary.BigEndian.AppendUint32(header, v.number)
	header = append(append(header, byte(len(called))), called...)
	header = append(header, 0, 0) // no id of its own, no token
	at := len(header) + 2
	header = binary.BigEndian.AppendUint16(header, 0x4000|uint16(minInitial-at))
	header = binary.BigEndian.AppendUint32(header, number)
	k, err := v.keys(id)
	if err != nil {
		t.Fatal(err)
	}
	nonce := [12]byte(k.iv)
	for i := range 4 {
		nonce[8+i] ^= header[at+i]
	}
	block, _ := aes.NewCipher(k.key)
	seal, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain := append(slices.Clone(frames), make([]byte, minInitial-len(header)-16-len(frames))...)
	packet := append(slices.Clone(header), seal.Seal(nil, nonce[:], plain, header)...)
	var mask [16]byte
	block, _ = aes.NewCipher(k.header)
	block.Encrypt(mask[:], packet[at+4:at+20])
	packet[0] ^= mask[0] & 0x0f
	for i := range 4 {
		packet[at+i] ^= mask[1+i]
	}
	return packet
}

// The protected packet of RFC 9001 appendix A.2 begins and goes on as written there.
func TestQUICInitialEqualsTheVector(t *testing.T) {
	id := unhex(t, "8394c8f03e515708")
	packet := sealed(t, &quicVersions[0], id, id, 2, unhex(t, vectorHello))
	if want := unhex(t, "c000000001088394c8f03e5157080000449e7b9aec34 d1b1c98dd7689fb8ec11d242b123dc9b"); !bytes.HasPrefix(packet, want) {
		t.Errorf("%x\nwant %x", packet[:len(want)], want)
	}
}

// quicNames gives datagrams of one client to an Observer.
func quicNames(t testing.TB, datagrams ...[]byte) (names []string, stats Stats) {
	t.Helper()
	o := New(Options{}, func(ns []flow.Name) error {
		for _, n := range ns {
			names = append(names, n.Name)
		}
		return nil
	})
	for i, d := range datagrams {
		p := capture.Packet{Time: flow.Time(1e18 + i), Proto: flow.UDP, Src: capture.AddrFrom(netip.MustParseAddr("10.0.0.1")),
			Dst: capture.AddrFrom(netip.MustParseAddr("192.0.2.1")), SrcPort: 50000, DstPort: 443, Payload: d}
		o.Packet(&p, uint32(i+1))
	}
	if err := o.Flush(); err != nil {
		t.Fatal(err)
	}
	return names, o.Stats()
}

// pieces cuts the hello of the vector into CRYPTO frames at the given offsets.
func pieces(t testing.TB, cuts ...int) (frames [][]byte) {
	hello := unhex(t, vectorHello)[4:]
	for i, from := range cuts {
		to := len(hello)
		if i+1 < len(cuts) {
			to = cuts[i+1]
		}
		f := []byte{0x06}
		f = binary.BigEndian.AppendUint16(f, 0x4000|uint16(from))
		f = binary.BigEndian.AppendUint16(f, 0x4000|uint16(to-from))
		frames = append(frames, append(f, hello[from:to]...))
	}
	return frames
}

func TestServerNamesInQUIC(t *testing.T) {
	id, other := unhex(t, "8394c8f03e515708"), unhex(t, "f067a5502a4262b5")
	whole, cut := unhex(t, vectorHello), pieces(t, 0, 30, 100, 180)
	ack := unhex(t, "02 05 00 01 00 01 00")
	for i := range quicVersions {
		v := &quicVersions[i]
		seal := func(called []byte, n uint32, frames ...[]byte) []byte {
			return sealed(t, v, id, called, n, slices.Concat(frames...))
		}
		for name, datagrams := range map[string][][]byte{
			"whole":                     {seal(id, 0, whole)},
			"shuffled in one packet":    {seal(id, 0, cut[2], []byte{1, 0, 0}, cut[0], cut[3], ack, cut[1])},
			"over packets, any order":   {seal(id, 0, cut[3], cut[1]), seal(id, 1, cut[0]), seal(id, 2, cut[2])},
			"the server is called anew": {seal(id, 0, cut[0], cut[1]), seal(other, 1, cut[2], cut[3])},
			"after a Retry":             {seal(id, 0, cut[0]), sealed(t, v, other, other, 1, whole)},
			"sent again":                {seal(id, 0, whole), seal(id, 1, whole)},
		} {
			if got, s := quicNames(t, datagrams...); len(got) != 1 || got[0] != "example.com" || s.Malformed+s.Panics > 0 {
				t.Errorf("version %#x, %s: %v, %+v", v.number, name, got, s)
			}
		}
		broken := seal(id, 0, whole)
		broken[1100] ^= 1
		if got, s := quicNames(t, broken, seal(id, 1, cut[0])); len(got) != 0 || s.Malformed+s.Panics > 0 {
			t.Errorf("version %#x, forged: %v, %+v", v.number, got, s)
		}
	}
}

// A flood of Initials is opened up to a bound a second.
func TestQUICFloodIsLimited(t *testing.T) {
	id := unhex(t, "8394c8f03e515708")
	o := New(Options{}, func([]flow.Name) error { return nil })
	p := capture.Packet{Time: 1e18, Proto: flow.UDP, Dst: capture.AddrFrom(netip.MustParseAddr("192.0.2.1")), SrcPort: 50000, DstPort: 443,
		Payload: sealed(t, &quicVersions[0], id, id, 0, pieces(t, 0, 10)[0])}
	for i := range maxOpened + 500 {
		p.Src = capture.Addr{Lo: uint64(i)}
		o.Packet(&p, 1)
	}
	if s := o.Stats(); s.Limited != 500 {
		t.Errorf("%+v", s)
	}
}

func BenchmarkQUICInitial(b *testing.B) {
	id := unhex(b, "8394c8f03e515708")
	d := sealed(b, &quicVersions[0], id, id, 0, unhex(b, vectorHello))
	o := New(Options{}, func([]flow.Name) error { return nil })
	p := capture.Packet{Time: 1e18, Proto: flow.UDP, Dst: capture.AddrFrom(netip.MustParseAddr("192.0.2.1")), SrcPort: 50000, DstPort: 443, Payload: d}
	for i := 0; b.Loop(); i++ {
		p.Src, p.Time = capture.Addr{Lo: uint64(i)}, flow.Time(1e18+i*1e6)
		o.Packet(&p, 1)
	}
}
