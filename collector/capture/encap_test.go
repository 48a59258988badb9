package capture_test

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

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

func serialize(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return append([]byte{}, b.Bytes()...)
}

func ip4(proto layers.IPProtocol, src, dst string) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: netip.MustParseAddr(src).AsSlice(), DstIP: netip.MustParseAddr(dst).AsSlice()}
}

func ip6(proto layers.IPProtocol, src, dst string) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: netip.MustParseAddr(src).AsSlice(), DstIP: netip.MustParseAddr(dst).AsSlice()}
}

func ether(kind uint16) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetType(kind)}
}

// inner is the packet that all tunnels of the test carry: 10.9.9.1:40000 to
// 10.9.9.2:443, or the like over IPv6, with five octets of payload.
func inner(t testing.TB) []byte {
	return serialize(t, ip4(layers.IPProtocolTCP, "10.9.9.1", "10.9.9.2"), &layers.TCP{SrcPort: 40000, DstPort: 443, ACK: true}, gopacket.Payload("hello"))
}

func inner6(t testing.TB) []byte {
	return serialize(t, ip6(layers.IPProtocolTCP, "2001:db8:9::1", "2001:db8:9::2"), &layers.TCP{SrcPort: 40000, DstPort: 443, ACK: true}, gopacket.Payload("hello"))
}

// carried is a frame whose IP header has the given protocol and payload.
func carried(t testing.TB, proto uint8, payload []byte) []byte {
	return serialize(t, ether(0x0800), ip4(layers.IPProtocol(proto), "192.0.2.1", "192.0.2.2"), gopacket.Payload(payload))
}

func overUDP(t testing.TB, port uint16, payload []byte) []byte {
	return serialize(t, ether(0x0800), ip4(layers.IPProtocolUDP, "192.0.2.1", "192.0.2.2"), &layers.UDP{SrcPort: 55555, DstPort: layers.UDPPort(port)}, gopacket.Payload(payload))
}

// between is a VXLAN frame of other ends.
func between(t testing.TB, src, dst string, payload []byte) []byte {
	return serialize(t, ether(0x0800), ip4(layers.IPProtocolUDP, src, dst), &layers.UDP{SrcPort: 55555, DstPort: 4789}, gopacket.Payload(payload))
}

func cat(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// encapsulation is one way to carry inner.
type encapsulation struct {
	name  string
	link  capture.LinkType
	data  []byte
	want  flow.Encap
	vlan  uint16
	inner uint16 // second tag
	vni   uint32
	outer bool // the tunnel's own packet is given besides
	six   bool
	// from and to are the tunnel's ends, where not 192.0.2.1 and 192.0.2.2.
	from, to string
}

func encapsulations(t testing.TB) []encapsulation {
	in, in6 := inner(t), inner6(t)
	frame := cat(make([]byte, 12), unhex(t, "0800"), in)
	const e = capture.LinkEthernet
	x := func(s string) []byte { return unhex(t, s) }
	macs := make([]byte, 12)
	return []encapsulation{
		{name: "plain", link: e, data: frame},
		{name: "802.1Q", link: e, data: cat(macs, x("8100 6064 0800"), in), vlan: 100},
		{name: "QinQ", link: e, data: cat(macs, x("88a8 0fa0 8100 0064 86dd"), in6), vlan: 4000, inner: 100, six: true},
		{name: "QinQ with the old type", link: e, data: cat(macs, x("9100 0007 8100 0008 0800"), in), vlan: 7, inner: 8},
		{name: "MPLS, two labels", link: e, data: cat(macs, x("8847 00010040 00020140"), in), want: flow.EncapMPLS},
		{name: "MPLS, IPv6", link: e, data: cat(macs, x("8847 00020140"), in6), want: flow.EncapMPLS, six: true},
		{name: "MPLS pseudowire with control word", link: e, data: cat(macs, x("8847 00020140 00000000"), frame), want: flow.EncapMPLS},
		{name: "PPPoE", link: e, data: cat(macs, x("8864 1100 0001 002f 0021"), in), want: flow.EncapPPPoE},
		{name: "PPPoE, IPv6", link: e, data: cat(macs, x("8864 1100 0001 0043 0057"), in6), want: flow.EncapPPPoE, six: true},
		{name: "802.1ah", link: e, data: cat(macs, x("88e7 00012345"), frame)},
		{name: "802.3 with SNAP", link: e, data: cat(macs, x("0035 aaaa03 000000 0800"), in)},
		{name: "GRE", link: e, data: carried(t, 47, cat(x("0000 0800"), in)), want: flow.EncapGRE, outer: true},
		{name: "GRE with checksum, key and sequence", link: e, data: carried(t, 47, cat(x("b000 86dd 00000000 00000042 00000001"), in6)), want: flow.EncapGRE, vni: 0x42, outer: true, six: true},
		{name: "GRE, transparent Ethernet", link: e, data: carried(t, 47, cat(x("2000 6558 00123400"), frame)), want: flow.EncapGRE, vni: 0x123400, outer: true},
		{name: "PPTP", link: e, data: carried(t, 47, cat(x("3081 880b 0031 0007 00000001 00000000 ff03 0021"), in)), want: flow.EncapGRE, vni: 7, outer: true},
		{name: "ERSPAN I", link: e, data: carried(t, 47, cat(x("0000 88be"), frame)), want: flow.EncapERSPAN},
		{name: "ERSPAN II", link: e, data: carried(t, 47, cat(x("1000 88be 00000001 1000 0005 00000000"), frame)), want: flow.EncapERSPAN, vni: 5},
		{name: "ERSPAN III", link: e, data: carried(t, 47, cat(x("1000 22eb 00000001 2000 0006 00000000 00000000"), frame)), want: flow.EncapERSPAN, vni: 6},
		{name: "ERSPAN III with sub-header", link: e, data: carried(t, 47, cat(x("1000 22eb 00000001 2000 0006 00000000 00000001 00000000 00000000"), frame)), want: flow.EncapERSPAN, vni: 6},
		{name: "VXLAN", link: e, data: overUDP(t, 4789, cat(x("08000000 00123400"), frame)), want: flow.EncapVXLAN, vni: 0x1234, outer: true},
		{name: "VXLAN on the Linux port", link: e, data: overUDP(t, 8472, cat(x("08000000 00000100"), frame)), want: flow.EncapVXLAN, vni: 1, outer: true},
		{name: "VXLAN-GPE", link: e, data: overUDP(t, 4790, cat(x("0c000001 00000200"), in)), want: flow.EncapVXLAN, vni: 2, outer: true},
		{name: "Geneve with an option", link: e, data: overUDP(t, 6081, cat(x("0200 6558 00000a00 0102 0001 00000000"), frame)), want: flow.EncapGeneve, vni: 10, outer: true},
		{name: "GTP-U", link: e, data: overUDP(t, 2152, cat(x("30ff 002d 0000abcd"), in)), want: flow.EncapGTPU, vni: 0xabcd, outer: true},
		{name: "GTP-U with an extension header", link: e, data: overUDP(t, 2152, cat(x("34ff 0035 0000abcd 0000 00 85 01 0001 00"), in)), want: flow.EncapGTPU, vni: 0xabcd, outer: true},
		{name: "Teredo", link: e, data: overUDP(t, 3544, in6), want: flow.EncapTeredo, outer: true, six: true},
		{name: "Teredo with both indications", link: e, data: overUDP(t, 3544, cat(x("0001 0000 0000000000000000 00 0000 1111 22222222"), in6)), want: flow.EncapTeredo, outer: true, six: true},
		{name: "IPIP", link: e, data: carried(t, 4, in), want: flow.EncapIPIP, outer: true},
		{name: "6in4", link: e, data: carried(t, 41, in6), want: flow.EncapIPIP, outer: true, six: true},
		{name: "EtherIP", link: e, data: carried(t, 97, cat(x("3000"), frame)), want: flow.EncapGRE, outer: true},
		{name: "MPLS over UDP", link: e, data: overUDP(t, 6635, cat(x("00020140"), in)), want: flow.EncapMPLS, outer: true},
		{name: "VXLAN in GRE", link: e, data: carried(t, 47, cat(x("0000 0800"), overUDP(t, 4789, cat(x("08000000 00000300"), frame))[14:])), want: flow.EncapVXLAN, vni: 3, outer: true},
		{name: "VXLAN in ERSPAN", link: e, data: carried(t, 47, cat(x("1000 88be 00000001 1000 0005 00000000"), between(t, "198.51.100.1", "198.51.100.2", cat(x("08000000 00000300"), frame)))), want: flow.EncapVXLAN, vni: 3, outer: true, from: "198.51.100.1", to: "198.51.100.2"},
		{name: "raw IP", link: capture.LinkRaw, data: in},
		{name: "BSD loopback", link: capture.LinkNull, data: cat(x("02000000"), in)},
		{name: "Linux cooked", link: capture.LinkSLL, data: cat(x("0000 0001 0006 000000000000 0000 0800"), in)},
		{name: "Linux cooked 2", link: capture.LinkSLL2, data: cat(x("0800 0000 00000001 0001 00 06 0000000000000000"), in)},
		{name: "PPP", link: capture.LinkPPP, data: cat(x("ff03 0021"), in)},
		{name: "PPP compressed", link: capture.LinkPPPHDLC, data: cat(x("21"), in)},
		{name: "Cisco HDLC", link: capture.LinkCHDLC, data: cat(x("0f00 0800"), in)},
		{name: "frame relay", link: capture.LinkFRelay, data: cat(x("1841 03 cc"), in)},
		{name: "IP over InfiniBand", link: capture.LinkIPoIB, data: cat(x("0800 0000"), in)},
		{name: "a switch chip's tag", link: capture.LinkBrcmTag, data: cat(macs, x("20000001 0800"), in)},
		{name: "a switch chip's tag in front", link: capture.LinkBrcmPre, data: cat(x("20000001"), frame)},
		{name: "DSA", link: capture.LinkDSA, data: cat(macs, x("c0010000 86dd"), in6), six: true},
		{name: "EDSA", link: capture.LinkEDSA, data: cat(macs, x("dada0000 c0010000 0800"), in)},
		{name: "netfilter log", link: capture.LinkNFLog, data: cat(x("02 00 0000 0800 0100 00000000"), []byte{byte(4 + len(in)), 0, 9, 0}, in)},
	}
}

func TestEncapsulationsAreOpened(t *testing.T) {
	for _, tt := range encapsulations(t) {
		var w capture.Walker
		var p capture.Packet
		f := capture.Frame{Data: tt.data, Length: uint32(len(tt.data)), Link: tt.link}
		if why := w.Walk(&f, &p); why != flow.DropNone {
			t.Errorf("%s: %v", tt.name, why)
			continue
		}
		src, size := "10.9.9.1", uint32(45)
		if tt.six {
			src, size = "2001:db8:9::1", 65
		}
		if p.Src.Netip() != netip.MustParseAddr(src) || p.DstPort != 443 || p.Bytes != size || string(p.Payload) != "hello" {
			t.Errorf("%s: %v:%d, %d bytes, payload %q", tt.name, p.Src.Netip(), p.DstPort, p.Bytes, p.Payload)
		}
		if p.Encap != tt.want || p.VLAN != tt.vlan || p.InnerVLAN != tt.inner || p.VNI != tt.vni {
			t.Errorf("%s: %v VLAN %d/%d VNI %#x", tt.name, p.Encap, p.VLAN, p.InnerVLAN, p.VNI)
		}
		from, to := capture.Addr{}, capture.Addr{}
		switch {
		case tt.from != "":
			from, to = capture.AddrFrom(netip.MustParseAddr(tt.from)), capture.AddrFrom(netip.MustParseAddr(tt.to))
		case tt.outer || tt.want == flow.EncapERSPAN:
			from, to = capture.AddrFrom(netip.MustParseAddr("192.0.2.1")), capture.AddrFrom(netip.MustParseAddr("192.0.2.2"))
		}
		if p.OuterSrc != from || p.OuterDst != to {
			t.Errorf("%s: tunnel from %v to %v", tt.name, p.OuterSrc.Netip(), p.OuterDst.Netip())
		}
		outer := w.Outer(&p)
		if (outer != nil) != tt.outer {
			t.Errorf("%s: outer packet %+v", tt.name, outer)
		}
		if outer != nil && (outer.Src != from || outer.Encap != flow.EncapNone) {
			t.Errorf("%s: outer packet %+v", tt.name, outer)
		}
	}
}

// A tunnel that carries something else than IP counts as itself.
func TestTunnelsOfOtherThingsCountAsThemselves(t *testing.T) {
	arp := cat(make([]byte, 12), unhex(t, "0806"), make([]byte, 28))
	for name, data := range map[string][]byte{
		"ARP in VXLAN":        overUDP(t, 4789, cat(unhex(t, "08000000 00000100"), arp)),
		"noise on port 4789":  overUDP(t, 4789, []byte("not a tunnel at all")),
		"short Geneve":        overUDP(t, 6081, []byte{0x3f}),
		"endless GTP headers": overUDP(t, 2152, unhex(t, "34ff 0035 0000abcd 0000 00 85 00")),
		"cut GRE":             carried(t, 47, unhex(t, "f000 0800")),
	} {
		var w capture.Walker
		var p capture.Packet
		f := capture.Frame{Data: data, Length: uint32(len(data)), Link: capture.LinkEthernet}
		if why := w.Walk(&f, &p); why != flow.DropNone || p.Encap != flow.EncapNone || p.Src.Netip() != netip.MustParseAddr("192.0.2.1") {
			t.Errorf("%s: %v %+v", name, why, p)
		}
	}
}

// In mirrored traffic, too: it is the tunnel's packet that was mirrored.
func TestATunnelOfOtherThingsInAMirrorCountsOnce(t *testing.T) {
	arp := cat(make([]byte, 12), unhex(t, "0806"), make([]byte, 28))
	b := carried(t, 47, cat(unhex(t, "0000 88be"), between(t, "198.51.100.1", "198.51.100.2", cat(unhex(t, "08000000 00000300"), arp))))
	var w capture.Walker
	var p capture.Packet
	f := capture.Frame{Data: b, Length: uint32(len(b)), Link: capture.LinkEthernet}
	if why := w.Walk(&f, &p); why != flow.DropNone || p.DstPort != 4789 || p.Encap != flow.EncapERSPAN || w.Outer(&p) != nil {
		t.Errorf("%v %+v, outer %+v", why, p, w.Outer(&p))
	}
}

// Matryoshkas end somewhere, and are counted by what could be opened.
func TestDepthIsBounded(t *testing.T) {
	b := inner(t)
	for range 200 {
		b = serialize(t, ip4(4, "192.0.2.1", "192.0.2.2"), gopacket.Payload(b))
	}
	var w capture.Walker
	var p capture.Packet
	f := capture.Frame{Data: b, Length: uint32(len(b)), Link: capture.LinkRaw}
	if why := w.Walk(&f, &p); why != flow.DropNone || p.Proto != 4 {
		t.Errorf("%v %+v", why, p)
	}
	tags := cat(make([]byte, 12), []byte(strings.Repeat("\x81\x00\x00\x05", 100)), unhex(t, "0800"), inner(t))
	f = capture.Frame{Data: tags, Length: uint32(len(tags)), Link: capture.LinkEthernet}
	if why := w.Walk(&f, &p); why != flow.DropDepth {
		t.Errorf("a hundred tags: %v", why)
	}
}

func TestIPv6ExtensionHeadersAndFragments(t *testing.T) {
	tcp := inner6(t)[40:]
	tests := []struct {
		name     string
		next     uint8
		chain    string
		fragment capture.Fragment
		port     uint16
	}{
		{"hop-by-hop, destination, routing", 0, "3c00 000000000000 2b00 000000000000 0600 000000000000", capture.Whole, 443},
		{"a long destination header", 60, "0601" + strings.Repeat("00", 14), capture.Whole, 443},
		{"authentication header", 51, "0604 0000 00000001 00000001 000000000000000000000000", capture.Whole, 443},
		{"first fragment", 44, "0600 0001 00000063", capture.FirstFragment, 443},
		{"later fragment", 44, "0600 0009 00000063", capture.LaterFragment, 0},
		{"a fragment of one piece (RFC 6946)", 44, "0600 0000 00000063", capture.Whole, 443},
	}
	for _, tt := range tests {
		data := serialize(t, ip6(layers.IPProtocol(tt.next), "2001:db8::1", "2001:db8::2"), gopacket.Payload(cat(unhex(t, tt.chain), tcp)))
		var w capture.Walker
		var p capture.Packet
		f := capture.Frame{Data: data, Length: uint32(len(data)), Link: capture.LinkIPv6}
		if why := w.Walk(&f, &p); why != flow.DropNone || p.Proto != flow.TCP || p.DstPort != tt.port || p.Fragment != tt.fragment {
			t.Errorf("%s: %v %+v", tt.name, why, p)
		}
	}
}

func TestLengthsSurviveOffloadAndSnapLength(t *testing.T) {
	whole := cat(make([]byte, 12), unhex(t, "0800"), inner(t))
	var w capture.Walker
	var p capture.Packet
	offloaded := append([]byte{}, whole...)
	offloaded[16], offloaded[17] = 0, 0
	f := capture.Frame{Data: offloaded, Length: 14 + 30_000, Link: capture.LinkEthernet}
	if why := w.Walk(&f, &p); why != flow.DropNone || p.Bytes != 30_000 {
		t.Errorf("total length 0: %v, %d bytes", why, p.Bytes)
	}
	f = capture.Frame{Data: whole[:14+20+14], Length: uint32(len(whole)), Link: capture.LinkEthernet}
	if why := w.Walk(&f, &p); why != flow.DropNone || p.Bytes != 45 || p.Flags != flow.ACK || p.DstPort != 443 {
		t.Errorf("cut inside TCP: %v %+v", why, p)
	}
	padded := append(append([]byte{}, whole...), 0, 0, 0)
	f = capture.Frame{Data: padded, Length: uint32(len(padded)), Link: capture.LinkEthernet}
	if why := w.Walk(&f, &p); why != flow.DropNone || p.Bytes != 45 || string(p.Payload) != "hello" {
		t.Errorf("padding: %v, %d bytes, %q", why, p.Bytes, p.Payload)
	}
}

func TestWalkDoesNotAllocate(t *testing.T) {
	all := encapsulations(t)
	var w capture.Walker
	var p capture.Packet
	i := 0
	if n := testing.AllocsPerRun(10*len(all), func() {
		tt := &all[i%len(all)]
		f := capture.Frame{Data: tt.data, Length: uint32(len(tt.data)), Link: tt.link}
		w.Walk(&f, &p)
		w.Outer(&p)
		i++
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
