package assemble_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// numbered is a digest of a packet that its sender gave a number, plain of one
// without.
func numbered(n uint64) uint64 { return n<<2 | 3 }
func plain(n uint64) uint64    { return n<<2 | 2 }

// sight is a packet as one place shows it.
func sight(proto uint8, flags uint8, digest uint64, after time.Duration, vlan uint16) *capture.Packet {
	c := conversation{proto, 5000, start}
	p := c.packet(true, flags, 'x')
	p.Time, p.Digest, p.VLAN = start.Add(after), digest, vlan
	return p
}

// counted returns how many of the packets were counted.
func counted(t *testing.T, ps ...*capture.Packet) uint64 {
	t.Helper()
	n := uint64(0)
	for _, r := range assembled(t, assemble.Options{Seed: 1}, ps...) {
		n += r.ClientPackets + r.ServerPackets
	}
	return n
}

func TestAPacketSeenAgainInOnePlaceCountsOnce(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name string
		ps   []*capture.Packet
		want uint64
	}{
		{"numbered, 5 ms apart", []*capture.Packet{sight(flow.UDP, 0, numbered(1), 0, 0), sight(flow.UDP, 0, numbered(1), 5*ms, 0)}, 1},
		{"numbered, the number comes round", []*capture.Packet{sight(flow.UDP, 0, numbered(1), 0, 0), sight(flow.UDP, 0, numbered(1), 30*ms, 0)}, 2},
		{"a retransmission has another number", []*capture.Packet{sight(flow.TCP, flow.ACK, numbered(1), 0, 0), sight(flow.TCP, flow.ACK, numbered(2), ms, 0)}, 2},
		{"TCP data without numbers, nothing known", []*capture.Packet{sight(flow.TCP, flow.ACK, plain(1), 0, 0), sight(flow.TCP, flow.ACK, plain(1), ms, 0)}, 2},
		{"the same sent again after a timeout", []*capture.Packet{sight(flow.TCP, flow.ACK, plain(1), 0, 0), sight(flow.TCP, flow.ACK, plain(1), 200*ms, 0)}, 2},
		{"equal datagrams of a counter", []*capture.Packet{sight(flow.UDP, 0, plain(1), 0, 0), sight(flow.UDP, 0, plain(1), ms, 0), sight(flow.UDP, 0, plain(1), 2*ms, 0)}, 3},
	} {
		if got := counted(t, tt.ps...); got != tt.want {
			t.Errorf("%s: %d counted, want %d", tt.name, got, tt.want)
		}
	}
	var generated []*capture.Packet
	for _, gap := range []time.Duration{50 * time.Microsecond, 3 * ms, 3300 * time.Microsecond} {
		for i := range 300 { // three packets in turn, again and again
			generated = append(generated, sight(flow.UDP, 0, numbered(uint64(i%3)), time.Duration(i)*gap, 0))
		}
		if got := counted(t, generated...); got != 300 {
			t.Errorf("%d of 300 packets of a generator counted, %v apart", got, gap)
		}
		generated = nil
	}
	pure := func(after time.Duration) *capture.Packet {
		p := sight(flow.TCP, flow.ACK, plain(1), after, 0)
		p.Payload = nil
		return p
	}
	if got := counted(t, pure(0), pure(ms), pure(2*ms)); got != 3 { // duplicate acknowledgements ask for fast retransmit
		t.Errorf("%d of 3 equal acknowledgements counted", got)
	}
}

// Once it is known that packets pass twice, equal datagrams are copies.
func TestAMirrorOfBothDirectionsIsRecognised(t *testing.T) {
	var ps []*capture.Packet
	for i := range uint64(8) {
		at := time.Duration(i) * 100 * time.Millisecond
		ps = append(ps, sight(flow.UDP, 0, numbered(i), at, 0), sight(flow.UDP, 0, numbered(i), at+time.Millisecond, 0))
	}
	ps = append(ps, sight(flow.UDP, 0, plain(9), time.Second, 0), sight(flow.UDP, 0, plain(9), time.Second+time.Millisecond, 0))
	if got := counted(t, ps...); got != 9 {
		t.Errorf("%d counted, want 9", got)
	}
}

// Without numbers too, as in IPv6: connections that go on with each segment twice.
// A sender of equal segments, which only a generator is, does not look like that.
func TestAMirrorOfPacketsWithoutNumbersIsRecognised(t *testing.T) {
	var twice, equal []*capture.Packet
	for i := range uint64(100) {
		at := time.Duration(i) * time.Millisecond
		twice = append(twice, sight(flow.TCP, flow.ACK, plain(i), at, 0), sight(flow.TCP, flow.ACK, plain(i), at+100*time.Microsecond, 0))
		equal = append(equal, sight(flow.TCP, flow.ACK, plain(1), at, 0), sight(flow.TCP, flow.ACK, plain(1), at+100*time.Microsecond, 0))
	}
	if got := counted(t, twice...); got < 100 || got > 108 {
		t.Errorf("a mirror: %d counted, want 100 and at most 8 until it is known", got)
	}
	if got := counted(t, equal...); got != 200 {
		t.Errorf("a generator: %d counted, want 200", got)
	}
}

// The same addresses and ports on two VLANs are copies only when they were seen to
// be: elsewhere networks may use the same addresses.
func TestPlacesAreProvenToShowTheSame(t *testing.T) {
	var apart, copies []*capture.Packet
	for i := range uint64(50) {
		at := time.Duration(i) * 10 * time.Millisecond
		apart = append(apart, sight(flow.UDP, 0, numbered(2*i), at, 10), sight(flow.UDP, 0, numbered(2*i+1), at+time.Millisecond, 20))
		copies = append(copies, sight(flow.UDP, 0, numbered(i), at+30*time.Millisecond, 10), sight(flow.UDP, 0, numbered(i), at, 20))
	}
	if got := counted(t, apart...); got != 100 {
		t.Errorf("other packets on another VLAN: %d of 100 counted", got)
	}
	if got := counted(t, copies...); got != 50 {
		t.Errorf("the same packets on another VLAN: %d of 50 counted", got)
	}
	// A firewall between two places that are known rewrites what it passes on.
	rewritten := append(copies, sight(flow.UDP, 0, numbered(1000), 600*time.Millisecond, 10), sight(flow.UDP, 0, numbered(1001), 601*time.Millisecond, 20))
	if got := counted(t, rewritten...); got != 51 {
		t.Errorf("rewritten on the way: %d counted, want 51", got)
	}
}

func TestAnnouncementsOnTwoVLANsAreTwo(t *testing.T) {
	group := capture.AddrFrom(netip.MustParseAddr("224.0.0.251"))
	a, b := sight(flow.UDP, 0, plain(1), 0, 10), sight(flow.UDP, 0, plain(1), time.Millisecond, 20)
	a.Dst, b.Dst = group, group
	if got := counted(t, a, b); got != 2 {
		t.Errorf("%d counted", got)
	}
	a.Digest, b.Digest, b.VLAN = numbered(1), numbered(1), 10
	if got := counted(t, a, b); got != 1 {
		t.Errorf("mirrored twice: %d counted", got)
	}
}
