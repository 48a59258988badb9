package collector_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/capture/filter"
)

// What opens a TLS or QUIC connection is kept whole though packets are cut, over IPv4
// and IPv6, with and without a filter; others of its size are cut, and none is lost.
func TestLiveKeepsHellosWhole(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	veth(t)
	program, err := filter.Compile("udp or tcp")
	if err != nil {
		t.Fatal(err)
	}
	datagram := func(src, dst string, first byte) []byte {
		payload := make([]byte, 1200)
		payload[0] = first
		return udpFrame(t, src, dst, 50000, 443, payload)
	}
	frames := [][]byte{
		datagram("10.0.0.1", "10.0.0.2", 0xc3), datagram("2001:db8::1", "2001:db8::2", 0xd0), // whole
		datagram("10.0.0.1", "10.0.0.2", 0x40), datagram("2001:db8::1", "2001:db8::2", 0x40), // cut
		udpFrame(t, "10.0.0.1", "10.0.0.2", 50000, 443, nil), udpFrame(t, "10.0.0.1", "10.0.0.2", 50000, 443, make([]byte, 300)), // short, cut
	}
	for _, first := range []string{"\x16\x03\x01", "\x17\x03\x03", ""} { // a hello, data, nothing
		text := first + strings.Repeat("x", 450*len(first))
		frames = append(frames, segment(t, "10.0.0.1", "10.0.0.2", 40000, 443, func(t *layers.TCP) {
			t.ACK = true
			t.Options = []layers.TCPOption{{OptionType: 8, OptionLength: 10, OptionData: make([]byte, 8)}}
		}, text))
	}
	for name, o := range map[string]collector.LiveOptions{
		"no filter": {Interfaces: []string{"tap0"}, Ring: capture.RingOptions{SnapLength: 200}},
		"a filter":  {Interfaces: []string{"tap0"}, Ring: capture.RingOptions{SnapLength: 200}, Filter: program},
	} {
		_, s := live(t, o, func(l *collector.Live) {
			send(t, "gen0", frames...)
			until(t, l, "nine frames", func(s collector.Stats) bool { return s.Frames >= 9 })
		})
		if s.Frames != 9 || s.Truncated != 4 || s.Walked != 9 {
			t.Errorf("%s: %d frames, %d packets, %d of them cut", name, s.Frames, s.Walked, s.Truncated)
		}
	}
}

// udpFrame is a frame that carries a datagram, over IPv4 or IPv6 as its addresses are.
func udpFrame(t *testing.T, src, dst string, srcPort, dstPort uint16, payload []byte) []byte {
	t.Helper()
	ether := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	udp := &layers.UDP{SrcPort: layers.UDPPort(srcPort), DstPort: layers.UDPPort(dstPort)}
	if strings.Contains(src, ":") {
		ether.EthernetType = layers.EthernetTypeIPv6
		return frame(t, ether, &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: netip.MustParseAddr(src).AsSlice(), DstIP: netip.MustParseAddr(dst).AsSlice()}, udp, gopacket.Payload(payload))
	}
	return frame(t, ether, &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: ip(src), DstIP: ip(dst)}, udp, gopacket.Payload(payload))
}
