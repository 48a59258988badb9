package names_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/names"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

const start = flow.Time(1e18)

// observed gives packets, the first of their flows, to an Observer and returns
// what it found as "address name kind ×count".
func observed(t testing.TB, o names.Options, packets ...capture.Packet) []string {
	t.Helper()
	var out []string
	obs := names.New(o, func(ns []flow.Name) error {
		for _, n := range ns {
			out = append(out, fmt.Sprintf("%v %s %v ×%d", n.Addr, n.Name, n.Kind, n.Count))
		}
		return nil
	})
	for i := range packets {
		if packets[i].Time == 0 {
			packets[i].Time = start + flow.Time(i)
		}
		obs.Packet(&packets[i], uint32(i+1))
	}
	if err := obs.Flush(); err != nil {
		t.Fatal(err)
	}
	if s := obs.Stats(); s.Panics > 0 {
		t.Errorf("%d panics", s.Panics)
	}
	slices.Sort(out)
	return out
}

func address(s string) capture.Addr { return capture.AddrFrom(netip.MustParseAddr(s)) }

func udp(srcPort, dstPort uint16, payload []byte) capture.Packet {
	return capture.Packet{Proto: flow.UDP, Src: address("10.0.0.1"), Dst: address("10.0.0.2"), SrcPort: srcPort, DstPort: dstPort, Payload: payload}
}

func tcp(payload []byte) capture.Packet {
	return capture.Packet{Proto: flow.TCP, Src: address("10.0.0.1"), Dst: address("10.0.0.2"), SrcPort: 40000, DstPort: 443, Payload: payload}
}

func answer(t testing.TB, build func(b *dnsmessage.Builder) error) []byte {
	t.Helper()
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{Response: true})
	b.EnableCompression()
	for _, err := range []error{b.StartQuestions(), b.Question(dnsmessage.Question{Name: dnsmessage.MustNewName("Www.Example.com."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}), b.StartAnswers(), build(&b)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func rr(name string) dnsmessage.ResourceHeader {
	return dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 60}
}

func aliased(t testing.TB) []byte {
	return answer(t, func(b *dnsmessage.Builder) error {
		if err := b.CNAMEResource(rr("www.example.com."), dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("edge7.cdn.example.")}); err != nil {
			return err
		}
		if err := b.AResource(rr("edge7.cdn.example."), dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}}); err != nil {
			return err
		}
		return b.AAAAResource(rr("edge7.cdn.example."), dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 0xd, 0xb8, 15: 7}})
	})
}

func TestDNSAnswersNameAddresses(t *testing.T) {
	want := []string{
		"192.0.2.7 edge7.cdn.example dns ×1", "192.0.2.7 www.example.com dns ×1",
		"2001:db8::7 edge7.cdn.example dns ×1", "2001:db8::7 www.example.com dns ×1",
	}
	if diff := cmp.Diff(want, observed(t, names.Options{}, udp(53, 3333, aliased(t)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m := aliased(t)
	overTCP := tcp(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
	overTCP.SrcPort = 53
	if diff := cmp.Diff(want, observed(t, names.Options{}, overTCP)); diff != "" {
		t.Errorf("over TCP (-want +got):\n%s", diff)
	}
}

func TestReverseAnswersNameAddresses(t *testing.T) {
	ptr := answer(t, func(b *dnsmessage.Builder) error {
		to := dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("Db1.Shop.Example.")}
		if err := b.PTRResource(rr("9.2.0.192.in-addr.arpa."), to); err != nil {
			return err
		}
		return b.PTRResource(rr("1."+strings.Repeat("0.", 23)+"8.b.d.0.1.0.0.2.ip6.arpa."), to)
	})
	want := []string{"192.0.2.9 db1.shop.example ptr ×1", "2001:db8::1 db1.shop.example ptr ×1"}
	if diff := cmp.Diff(want, observed(t, names.Options{}, udp(53, 3333, ptr))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The parser agrees with golang.org/x/net on what that accepts.
func TestDNSAgreesWithTheLibrary(t *testing.T) {
	m := aliased(t)
	var p dnsmessage.Parser
	if _, err := p.Start(m); err != nil {
		t.Fatal(err)
	}
	if err := p.SkipAllQuestions(); err != nil {
		t.Fatal(err)
	}
	all, err := p.AllAnswers()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(observed(t, names.Options{}, udp(53, 9, m)), "\n")
	for _, r := range all {
		if _, ok := r.Body.(*dnsmessage.CNAMEResource); !ok && !strings.Contains(got, strings.TrimSuffix(r.Header.Name.String(), ".")) {
			t.Errorf("%s is missing in %s", r.Header.Name, got)
		}
	}
}

// clientHello builds a record with extensions of the given total size before the
// server's name.
func clientHello(name string, before int) []byte {
	u16 := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	sni := join(u16(0), u16(5+len(name)), u16(3+len(name)), []byte{0}, u16(len(name)), []byte(name))
	filler := join(u16(51), u16(before), make([]byte, before))
	extensions := join(filler, sni)
	body := join([]byte{3, 3}, make([]byte, 32), []byte{0}, u16(2), []byte{0x13, 1}, []byte{1, 0}, u16(len(extensions)), extensions)
	handshake := join([]byte{1, byte(len(body) >> 16)}, u16(len(body)&0xffff), body)
	return join([]byte{0x16, 3, 1}, u16(len(handshake)), handshake)
}

func TestServerNamesAlsoAcrossSegments(t *testing.T) {
	want := []string{"10.0.0.2 shop.example sni ×1"}
	if diff := cmp.Diff(want, observed(t, names.Options{}, tcp(clientHello("Shop.Example", 100)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	long := clientHello("shop.example", 2500)
	var segments []capture.Packet
	for at := 0; at < len(long); at += 1000 {
		p := tcp(long[at:min(len(long), at+1000)])
		p.Seq = uint32(at) + 0xfffffff0 // wraps
		segments = append(segments, p)
	}
	if diff := cmp.Diff(want, observed(t, names.Options{}, segments...)); diff != "" {
		t.Errorf("in segments (-want +got):\n%s", diff)
	}
	if got := observed(t, names.Options{}, segments[0], segments[2]); len(got) != 0 {
		t.Errorf("with a gap: %v", got)
	}
}

func TestHTTPHosts(t *testing.T) {
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nAccept: */*\r\nhOsT:  Shop.Example:8080 \r\n\r\n": "10.0.0.2 shop.example http ×1",
		"POST /x HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n":                 "",
		"GET / HTTP/1.1\r\nHost: 10.0.0.2\r\n\r\n":                           "",
		"GET / HTTP/1.1\r\nHost: 2001:DB8::A\r\n\r\n":                        "",
		"GET / HTTP/1.1\r\nHost: evil\x00name\r\n\r\n":                       "",
		"GET / HTTP/1.1\r\nHost: naïve.example\r\n\r\n":                      "",
		"HELLO there, this is not HTTP\r\nHost: x.example\r\n\r\n":           "",
		"GET / HTTP/1.1\r\n\r\nHost: in.the.body\r\n\r\n":                    "",
	} {
		if got := strings.Join(observed(t, names.Options{}, tcp([]byte(request))), "; "); got != want {
			t.Errorf("%q: %q, want %q", request, got, want)
		}
	}
}

// dhcp builds a message with gopacket.
func dhcp(t testing.TB, op layers.DHCPOp, kind layers.DHCPMsgType, xid uint32, your string, options ...layers.DHCPOption) []byte {
	t.Helper()
	m := &layers.DHCPv4{Operation: op, HardwareType: layers.LinkTypeEthernet, HardwareLen: 6, Xid: xid, ClientHWAddr: make([]byte, 6),
		YourClientIP: netip.MustParseAddr(your).AsSlice(), ClientIP: make([]byte, 4), NextServerIP: make([]byte, 4), RelayAgentIP: make([]byte, 4),
		Options: append(layers.DHCPOptions{layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{byte(kind)})}, options...)}
	b := gopacket.NewSerializeBuffer()
	if err := m.SerializeTo(b, gopacket.SerializeOptions{FixLengths: true}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDHCPNamesTheAddressThatIsGiven(t *testing.T) {
	host := layers.NewDHCPOption(layers.DHCPOptHostname, []byte("Till-17"))
	fqdn := layers.NewDHCPOption(81, append([]byte{4, 0, 0}, "\x04till\x05store\x07example\x00"...))
	ask := udp(68, 67, dhcp(t, layers.DHCPOpRequest, layers.DHCPMsgTypeRequest, 7, "0.0.0.0", host))
	give := udp(67, 68, dhcp(t, layers.DHCPOpReply, layers.DHCPMsgTypeAck, 7, "10.3.0.9"))
	if got := observed(t, names.Options{}, ask, give); !slices.Equal(got, []string{"10.3.0.9 till-17 dhcp ×1"}) {
		t.Errorf("%v", got)
	}
	askFull := udp(68, 67, dhcp(t, layers.DHCPOpRequest, layers.DHCPMsgTypeRequest, 8, "0.0.0.0", host, fqdn))
	giveFull := udp(67, 68, dhcp(t, layers.DHCPOpReply, layers.DHCPMsgTypeAck, 8, "10.3.0.9"))
	if got := observed(t, names.Options{}, askFull, giveFull); !slices.Equal(got, []string{"10.3.0.9 till.store.example dhcp ×1"}) {
		t.Errorf("%v", got)
	}
	if got := observed(t, names.Options{}, ask, giveFull); len(got) != 0 {
		t.Errorf("another client's answer: %v", got)
	}
}

func TestNetBIOSNames(t *testing.T) {
	encoded := "20" + hex.EncodeToString([]byte("FEEPFDCACACACACACACACACACACACAAA")) + "00" // "TOS" <00>
	registration := "1234 2910 0001 0000 0000 0001" + encoded + "0020 0001" + "c00c 0020 0001 00000000 0006 0000 0a000001"
	b, err := hex.DecodeString(strings.ReplaceAll(registration, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	if got := observed(t, names.Options{}, udp(137, 137, b)); !slices.Equal(got, []string{"10.0.0.1 tos netbios ×1"}) {
		t.Errorf("%v", got)
	}
	group := slices.Clone(b)
	group[len(group)-6] |= 0x80
	if got := observed(t, names.Options{}, udp(137, 137, group)); len(got) != 0 {
		t.Errorf("a group's name: %v", got)
	}
}

func TestMultiplicityAndBound(t *testing.T) {
	many := make([]capture.Packet, 3)
	for i := range many {
		many[i] = udp(53, 3333, aliased(t))
		many[i].Time = start.Add(time.Duration(i) * time.Second)
	}
	if got := observed(t, names.Options{}, many...); len(got) != 4 || !strings.HasSuffix(got[0], "×3") {
		t.Errorf("%v", got)
	}
	var emitted, largest int
	obs := names.New(names.Options{MaxNames: 100}, func(ns []flow.Name) error {
		emitted += len(ns)
		largest = max(largest, len(ns))
		return nil
	})
	for i := range 5000 {
		p := udp(53, 3333, answer(t, func(b *dnsmessage.Builder) error {
			return b.AResource(rr(fmt.Sprintf("n%d.example.", i)), dnsmessage.AResource{A: [4]byte{10, 1, byte(i >> 8), byte(i)}})
		}))
		p.Time = start
		obs.Packet(&p, 1)
	}
	if err := obs.Flush(); err != nil || emitted != 5000 || largest > 100 {
		t.Errorf("%d emitted, %d at once, %v", emitted, largest, err)
	}
}

func TestRepeatedNamesDoNotAllocate(t *testing.T) {
	obs := names.New(names.Options{}, func([]flow.Name) error { return nil })
	p := udp(53, 3333, aliased(t))
	p.Time = start
	obs.Packet(&p, 1)
	if n := testing.AllocsPerRun(100, func() { obs.Packet(&p, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzPackets: no packet makes a parser panic, and names that come out are clean.
func FuzzPackets(f *testing.F) {
	f.Add(uint16(53), uint16(3333), false, aliased(f))
	f.Add(uint16(5353), uint16(5353), false, aliased(f))
	f.Add(uint16(40000), uint16(443), true, clientHello("shop.example", 40))
	f.Add(uint16(40000), uint16(80), true, []byte("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"))
	f.Add(uint16(68), uint16(67), false, dhcp(f, layers.DHCPOpRequest, layers.DHCPMsgTypeRequest, 7, "0.0.0.0", layers.NewDHCPOption(layers.DHCPOptHostname, []byte("x"))))
	f.Add(uint16(137), uint16(137), false, make([]byte, 80))
	f.Add(uint16(138), uint16(138), false, append([]byte{0x11}, make([]byte, 80)...))
	f.Add(uint16(88), uint16(50000), false, kerberosAnswer("EXAMPLE.COM"))
	f.Add(uint16(389), uint16(50000), true, rootDSE(true))
	f.Add(uint16(389), uint16(50000), false, netlogonAnswer())
	for _, d := range names.InitialsForFuzzing(f) {
		f.Add(uint16(50000), uint16(443), false, d)
	}
	f.Fuzz(func(t *testing.T, src, dst uint16, overTCP bool, payload []byte) {
		testenv.Hostile.Hold(t, func() { parse(t, src, dst, overTCP, payload) })
	})
}

// parse gives payload to an Observer, in two segments and whole.
func parse(t *testing.T, src, dst uint16, overTCP bool, payload []byte) {
	p := udp(src, dst, payload)
	if overTCP {
		p.Proto = flow.TCP
	}
	p.Time = start
	obs := names.New(names.Options{}, func(ns []flow.Name) error {
		for _, n := range ns {
			if n.Name == "" || len(n.Name) > 253 || n.Name != strings.ToLower(n.Name) || strings.ContainsAny(n.Name, "\x00\n\r \t\x7f") || !n.Addr.IsValid() {
				t.Errorf("%+v", n)
			}
		}
		return nil
	})
	half := p
	half.Payload = payload[:len(payload)/2]
	p.Seq = uint32(len(half.Payload))
	rest := p
	rest.Payload = payload[len(payload)/2:]
	whole := p
	for _, q := range []*capture.Packet{&half, &rest, &whole} {
		obs.Packet(q, 1)
	}
	if err := obs.Flush(); err != nil {
		t.Error(err)
	}
	if s := obs.Stats(); s.Panics > 0 {
		t.Errorf("%d panics", s.Panics)
	}
}

func BenchmarkDNS(b *testing.B) {
	obs := names.New(names.Options{}, func([]flow.Name) error { return nil })
	p := udp(53, 3333, aliased(b))
	p.Time = start
	b.ReportAllocs()
	for b.Loop() {
		obs.Packet(&p, 1)
	}
}
