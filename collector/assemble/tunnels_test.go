package assemble_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

var near, far = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::2")

// within puts p into a tunnel.
func within(p *capture.Packet, kind flow.Encap, from, to netip.Addr) *capture.Packet {
	p.Encap, p.VNI, p.OuterSrc, p.OuterDst = kind, 5001, capture.AddrFrom(from), capture.AddrFrom(to)
	return p
}

// A flow names its tunnel in the client's direction, whoever was seen first; a
// mirror's goes from the switch to the sensor whoever spoke.
func TestRecordsNameTheirTunnel(t *testing.T) {
	c := conversation{flow.TCP, 443, start}
	for _, tt := range []struct {
		name    string
		packets []*capture.Packet
		want    string
	}{
		{"client first", []*capture.Packet{within(c.packet(true, flow.SYN), flow.EncapVXLAN, near, far), within(c.packet(false, flow.SYN|flow.ACK), flow.EncapVXLAN, far, near)},
			"vxlan 5001 from 192.0.2.1 to 2001:db8::2"},
		{"server first", []*capture.Packet{within(c.packet(false, flow.SYN|flow.ACK), flow.EncapVXLAN, far, near), within(c.packet(true, flow.ACK), flow.EncapVXLAN, near, far)},
			"vxlan 5001 from 192.0.2.1 to 2001:db8::2"},
		{"mirrored, server first", []*capture.Packet{within(c.packet(false, flow.SYN|flow.ACK), flow.EncapERSPAN, near, far), within(c.packet(true, flow.ACK), flow.EncapERSPAN, near, far)},
			"erspan 5001 from 192.0.2.1 to 2001:db8::2"},
		{"without ends", []*capture.Packet{within(c.packet(true, flow.SYN), flow.EncapMPLS, netip.Addr{}, netip.Addr{})}, "mpls 5001"},
		{"in the clear", []*capture.Packet{c.packet(true, flow.SYN)}, ""},
	} {
		got := assembled(t, assemble.Options{}, tt.packets...)
		if len(got) != 1 || got[0].Via() != tt.want || got[0].Key.ServerPort != 443 {
			t.Errorf("%s: %q: %+v", tt.name, got[0].Via(), got)
		}
	}
}

// Tunnels from spoofed addresses are bounded, the flows inside count all the same,
// and numbers are given back.
func TestTunnelsAreBounded(t *testing.T) {
	var s sink
	table := assemble.New(assemble.Options{Seed: 1}, s.take)
	const flows = 20_000
	for round := range 2 {
		for i := range flows {
			p := sight(flow.UDP, 0, 0, time.Duration(round)*time.Hour, 0)
			p.SrcPort, p.DstPort = uint16(i), uint16(i>>16)+53
			table.Packet(within(p, flow.EncapGRE, netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), near))
		}
		if err := table.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	st := table.Stats()
	if want := uint64(2 * (flows - 1<<14)); st.Counted != 2*flows || st.TunnelsUnknown != want {
		t.Errorf("%d packets counted, %d of tunnels that are not known, want %d", st.Counted, st.TunnelsUnknown, want)
	}
}
