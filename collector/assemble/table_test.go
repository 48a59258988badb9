package assemble_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

const start = flow.Time(1e18)

var (
	client = capture.AddrFrom(netip.MustParseAddr("10.0.0.9"))
	server = capture.AddrFrom(netip.MustParseAddr("10.0.0.1"))
)

// conversation builds packets between client:40000 and server:port.
type conversation struct {
	proto uint8
	port  uint16
	now   flow.Time
}

func (c *conversation) packet(fromClient bool, flags uint8, payload ...byte) *capture.Packet {
	c.now = c.now.Add(time.Millisecond)
	p := &capture.Packet{Time: c.now, Proto: c.proto, Flags: flags, Bytes: uint32(40 + len(payload)), Payload: payload,
		Src: client, Dst: server, SrcPort: 40000, DstPort: c.port}
	if c.proto == flow.ICMP {
		p.SrcPort = 0
	}
	if !fromClient {
		p.Src, p.Dst = p.Dst, p.Src
		if c.proto != flow.ICMP {
			p.SrcPort, p.DstPort = p.DstPort, p.SrcPort
		}
	}
	return p
}

type sink struct{ records []flow.Record }

func (s *sink) take(r []flow.Record) error { s.records = append(s.records, r...); return nil }

func assembled(t *testing.T, o assemble.Options, packets ...*capture.Packet) []flow.Record {
	t.Helper()
	var s sink
	table := assemble.New(o, s.take)
	for _, p := range packets {
		table.Packet(p)
	}
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	st := table.Stats()
	if st.Packets != st.Counted+st.Fragments+st.Drops.Total() || st.Waiting != 0 {
		t.Errorf("%d packets, %d counted, %d fragments, %d waiting, %d dropped", st.Packets, st.Counted, st.Fragments, st.Waiting, st.Drops.Total())
	}
	var inRecords uint64
	for _, r := range s.records {
		inRecords += r.ClientPackets + r.ServerPackets
	}
	if inRecords != st.Counted {
		t.Errorf("%d packets in records of %d counted", inRecords, st.Counted)
	}
	return s.records
}

// quoting builds an ICMP port unreachable from server that quotes a packet of
// client to server:port.
func quoting(c *conversation, proto uint8) *capture.Packet {
	quoted := make([]byte, 28)
	quoted[0], quoted[9] = 0x45, proto
	binary.BigEndian.PutUint16(quoted[2:], 28)
	copy(quoted[12:], []byte{10, 0, 0, 9, 10, 0, 0, 1})
	binary.BigEndian.PutUint16(quoted[20:], 40000)
	binary.BigEndian.PutUint16(quoted[22:], c.port)
	c.now = c.now.Add(time.Millisecond)
	return &capture.Packet{Time: c.now, Proto: flow.ICMP, DstPort: 3<<8 | 3, Bytes: 56, Payload: quoted, Src: server, Dst: client}
}

func TestOutcomesAndEvidence(t *testing.T) {
	const s, a, f, r = flow.SYN, flow.ACK, flow.FIN, flow.RST
	query, answer := make([]byte, 12), make([]byte, 12)
	answer[2] = 0x80
	type step struct {
		fromClient bool
		flags      uint8
		payload    []byte
	}
	up := func(flags uint8) step { return step{true, flags, nil} }
	down := func(flags uint8) step { return step{false, flags, nil} }
	tests := []struct {
		name     string
		proto    uint8
		port     uint16
		steps    []step
		outcome  flow.Outcome
		evidence flow.Evidence
		sure     uint8 // at least
	}{
		{"a handshake", flow.TCP, 5555, []step{up(s), down(s | a), up(a)}, flow.Established, flow.EvidenceSYN, 100},
		{"a SYN that is reset", flow.TCP, 443, []step{up(s), down(r | a)}, flow.Refused, flow.EvidenceSYN, 97},
		{"a SYN that nobody answers", flow.TCP, 443, []step{up(s), up(s), up(s)}, flow.Unanswered, flow.EvidenceSYN, 97},
		{"a SYN scan of an open port", flow.TCP, 443, []step{up(s), down(s | a), up(r)}, flow.Unanswered, flow.EvidenceSYN, 100},
		{"the server's side alone shows who serves", flow.TCP, 40001, []step{down(s | a), down(a), down(a | f)}, flow.Established, flow.EvidenceSYN, 97},
		{"the client's side alone", flow.TCP, 443, []step{up(s), up(a), up(a | f)}, flow.Established, flow.EvidenceSYN, 97},
		{"SYN+ACK that nobody takes up", flow.TCP, 443, []step{down(s | a), down(s | a), down(r | a)}, flow.OneWay, flow.EvidenceSYN, 97},
		{"an ACK scan of a dark port", flow.TCP, 443, []step{up(a)}, flow.OneWay, flow.EvidencePortPrior, 80},
		{"an ACK scan that is answered", flow.TCP, 443, []step{up(a), down(r)}, flow.Refused, flow.EvidencePortPrior, 80},
		{"joined in the middle, server first", flow.TCP, 443, []step{down(a), up(a)}, flow.Established, flow.EvidencePortPrior, 80},
		{"joined in the middle and reset", flow.TCP, 443, []step{up(a), down(a | flow.PSH), down(r)}, flow.Established, flow.EvidencePortPrior, 80},
		{"a DNS answer seen first", flow.UDP, 53, []step{{false, 0, answer}, {true, 0, query}}, flow.Established, flow.EvidenceSemantics, 90},
		{"a question without answer", flow.UDP, 53, []step{{true, 0, query}}, flow.Unanswered, flow.EvidenceSemantics, 90},
		{"an answer alone", flow.UDP, 53, []step{{false, 0, answer}}, flow.OneWay, flow.EvidenceSemantics, 90},
		{"syslog is never answered", flow.UDP, 514, []step{{true, 0, nil}, {true, 0, nil}}, flow.Established, flow.EvidencePortPrior, 80},
		{"one UDP packet to nowhere", flow.UDP, 9998, []step{{true, 0, nil}}, flow.Unanswered, flow.EvidenceFirstSeen, 50},
		{"two unregistered UDP ports", flow.UDP, 3797, []step{{true, 0, nil}, {false, 0, nil}}, flow.Established, flow.EvidenceFirstSeen, 50},
	}
	for _, tt := range tests {
		c := conversation{tt.proto, tt.port, start}
		var ps []*capture.Packet
		for _, st := range tt.steps {
			ps = append(ps, c.packet(st.fromClient, st.flags, st.payload...))
		}
		got := assembled(t, assemble.Options{}, ps...)
		if len(got) != 1 {
			t.Errorf("%s: %d records", tt.name, len(got))
			continue
		}
		g := got[0]
		if g.Key.Client != client.Netip() || g.Key.ServerPort != tt.port {
			t.Errorf("%s: client %v:%d", tt.name, g.Key.Client, g.Key.ClientPort)
		}
		if g.Outcome != tt.outcome || g.Evidence != tt.evidence || g.Confidence < tt.sure {
			t.Errorf("%s: %v by %v (%d), want %v by %v (%d)", tt.name, g.Outcome, g.Evidence, g.Confidence, tt.outcome, tt.evidence, tt.sure)
		}
	}
}

func TestUnreachableRefusesTheFlowItQuotes(t *testing.T) {
	for _, proto := range []uint8{flow.UDP, flow.TCP} {
		c := conversation{proto, 9999, start}
		got := assembled(t, assemble.Options{}, c.packet(true, flow.SYN), quoting(&c, proto))
		if len(got) != 2 || got[0].Outcome != flow.Refused && got[1].Outcome != flow.Refused {
			t.Errorf("%s: %+v", flow.ProtoName(proto), got)
		}
	}
	c := conversation{flow.UDP, 9999, start}
	got := assembled(t, assemble.Options{}, c.packet(true, 0), c.packet(false, 0), quoting(&c, flow.UDP))
	for _, r := range got {
		if r.Outcome == flow.Refused {
			t.Errorf("a flow that was answered is refused: %+v", r)
		}
	}
}

func TestEchoesOfTwoHostsAreOneFlow(t *testing.T) {
	c := conversation{flow.ICMP, 8 << 8, start}
	ask, reply := c.packet(true, 0), c.packet(false, 0)
	reply.DstPort = 0
	got := assembled(t, assemble.Options{}, reply, ask) // the reply first
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	want := flow.Key{Client: client.Netip(), Server: server.Netip(), ServerPort: 8 << 8, Proto: flow.ICMP}
	if diff := cmp.Diff(want, got[0].Key, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || got[0].Outcome != flow.Established {
		t.Errorf("(-want +got):\n%s%v", diff, got[0].Outcome)
	}
}

func TestHostsThatAskEachOtherHaveAFlowEachWay(t *testing.T) {
	c := conversation{flow.ICMP, 8 << 8, start}
	ask, answer := c.packet(true, 0), c.packet(false, 0)
	answer.DstPort = 0
	askBack, answerBack := c.packet(false, 0), c.packet(true, 0)
	answerBack.DstPort = 0
	got := assembled(t, assemble.Options{}, ask, askBack, answer, answerBack)
	if len(got) != 2 || got[0].Key.Client != got[1].Key.Server {
		t.Fatalf("%+v", got)
	}
	for _, r := range got {
		if r.Outcome != flow.Established || r.ClientPackets != 1 || r.ServerPackets != 1 || r.Key.ServerPort != 8<<8 || r.Key.ClientPort != 0 {
			t.Errorf("%+v", r)
		}
	}
}

func TestErrorsOfTwoHostsDoNotAnswerEachOther(t *testing.T) {
	c := conversation{flow.ICMP, 3<<8 | 1, start}
	got := assembled(t, assemble.Options{}, c.packet(true, 0), c.packet(false, 0))
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	for _, r := range got {
		if r.Outcome != flow.OneWay || r.ClientPackets != 1 || r.ServerPackets != 0 || r.Key.ServerPort != 3<<8|1 {
			t.Errorf("%+v", r)
		}
	}
}

func TestLongFlowsAreSplitAndKeepTheirIdentity(t *testing.T) {
	c := conversation{flow.TCP, 443, start}
	ps := []*capture.Packet{c.packet(true, flow.SYN), c.packet(false, flow.SYN|flow.ACK)}
	for range 20 {
		ps = append(ps, c.packet(true, flow.ACK), c.packet(false, flow.ACK))
		c.now = c.now.Add(50 * time.Second)
	}
	got := assembled(t, assemble.Options{Active: 200 * time.Second}, ps...)
	if len(got) < 4 {
		t.Fatalf("%d records for 1000 s", len(got))
	}
	for i, r := range got {
		if r.ID != got[0].ID || r.Split != uint32(i) || r.Outcome != flow.Established || r.Evidence != flow.EvidenceSYN || r.Key != got[0].Key {
			t.Errorf("record %d: %+v", i, r)
		}
		if i > 0 && r.First < got[i-1].Last {
			t.Errorf("record %d overlaps the one before", i)
		}
	}
}

func TestSilenceEndsAFlowExactly(t *testing.T) {
	c := conversation{flow.UDP, 53, start}
	a, b := c.packet(true, 0), c.packet(false, 0)
	c.now = c.now.Add(59 * time.Second)
	d := c.packet(true, 0)
	c.now = c.now.Add(61 * time.Second)
	e := c.packet(true, 0)
	got := assembled(t, assemble.Options{}, a, b, d, e)
	if len(got) != 2 || got[0].ID == got[1].ID {
		t.Fatalf("%+v", got)
	}
	if got[0].ClientPackets+got[1].ClientPackets != 3 || got[0].End == got[1].End {
		t.Errorf("%+v", got)
	}
}

func TestAPortUsedAgainIsAnotherFlow(t *testing.T) {
	c := conversation{flow.TCP, 443, start}
	one := []*capture.Packet{c.packet(true, flow.SYN), c.packet(false, flow.SYN|flow.ACK), c.packet(true, flow.ACK|flow.FIN), c.packet(false, flow.ACK|flow.FIN), c.packet(true, flow.ACK)}
	two := []*capture.Packet{c.packet(true, flow.SYN), c.packet(false, flow.SYN|flow.ACK), c.packet(true, flow.ACK)}
	got := assembled(t, assemble.Options{}, append(one, two...)...)
	if len(got) != 2 || got[0].ClientPackets != 3 || got[0].End != flow.EndOfFlow || got[1].ClientPackets != 2 {
		t.Errorf("%+v", got)
	}
}

// The client asks by broadcast before it has an address, so the answer is a flow
// of its own, and proves the service.
func TestAnswersOfDHCPServersAreService(t *testing.T) {
	for _, tt := range []struct {
		from, to uint16
		message  byte
		want     flow.Outcome
	}{{67, 68, 2, flow.Established}, {547, 546, 7, flow.Established}, {67, 69, 2, flow.OneWay}, {5353, 5353, 2, flow.Unanswered}} {
		c := conversation{flow.UDP, tt.from, start}
		p := c.packet(false, 0, tt.message)
		p.DstPort = tt.to
		got := assembled(t, assemble.Options{}, p)
		if len(got) != 1 || got[0].Outcome != tt.want {
			t.Errorf("%d to %d: %+v", tt.from, tt.to, got)
		}
		if tt.want == flow.Established && (got[0].Key.Server != server.Netip() || got[0].Key.ServerPort != tt.from) {
			t.Errorf("%d to %d: %+v", tt.from, tt.to, got[0].Key)
		}
	}
}

func TestOverlappingVLANsAreToldApartWhenAsked(t *testing.T) {
	c := conversation{flow.UDP, 53, start}
	a, b := c.packet(true, 0), c.packet(true, 0)
	a.VLAN, b.VLAN = 10, 20
	if got := assembled(t, assemble.Options{ScopeVLAN: true}, a, b); len(got) != 2 || got[0].Key.Scope == got[1].Key.Scope {
		t.Errorf("%+v", got)
	}
	if got := assembled(t, assemble.Options{}, a, b); len(got) != 1 || got[0].ClientPackets != 1 {
		t.Errorf("%+v", got)
	}
	if got := assembled(t, assemble.Options{CountCopies: true}, a, b); len(got) != 1 || got[0].ClientPackets != 2 {
		t.Errorf("%+v", got)
	}
}

// Where a router is mirrored on both sides, each packet passes twice. When the
// first place falls silent, the other takes over.
func TestCopiesAreCountedOnceAndTheOtherPlaceTakesOver(t *testing.T) {
	c := conversation{flow.UDP, 53, start}
	var ps []*capture.Packet
	for i := range 20 {
		p := c.packet(true, 0)
		p.VLAN = 10
		q := *p
		q.Time, q.VLAN = q.Time+1000, 20
		if i < 10 { // then the first place fails
			ps = append(ps, p)
		}
		ps = append(ps, &q)
		c.now = c.now.Add(300 * time.Millisecond)
	}
	got := assembled(t, assemble.Options{Interfaces: []string{"a", "b"}}, ps...)
	// Ten from the first place, then three in the second that it takes to notice.
	if len(got) != 1 || got[0].ClientPackets != 17 {
		t.Errorf("%+v", got)
	}
	ps[0].Interface, ps[1].Interface = 0, 1
	if got := assembled(t, assemble.Options{Interfaces: []string{"b", "a"}, Sensor: "s"}, ps[0], ps[1]); len(got) != 1 || got[0].Sensor != "s:a+b" {
		t.Errorf("%+v", got)
	}
}

func TestMulticastIsServedByTheGroup(t *testing.T) {
	c := conversation{flow.UDP, 5353, start}
	p := c.packet(true, 0)
	p.Dst = capture.AddrFrom(netip.MustParseAddr("224.0.0.251"))
	got := assembled(t, assemble.Options{}, p)
	q := *p
	q.VLAN = 9 // another network's, not a copy
	if twice := assembled(t, assemble.Options{}, p, &q); len(twice) != 1 || twice[0].ClientPackets != 2 {
		t.Errorf("%+v", twice)
	}
	if len(got) != 1 || got[0].Key.Server != p.Dst.Netip() || got[0].Outcome != flow.OneWay || got[0].Evidence != flow.EvidenceSemantics {
		t.Errorf("%+v", got)
	}
}

// What was decided early in ignorance is decided again at the end.
func TestWeakDirectionsWaitForTheRestOfTheDataSet(t *testing.T) {
	var ps []*capture.Packet
	c := conversation{flow.TCP, 33333, start} // an ephemeral-looking server port
	mid := []*capture.Packet{c.packet(false, flow.ACK), c.packet(true, flow.ACK)}
	ps = append(ps, mid...)
	c.now = c.now.Add(5 * time.Minute)
	for i := range uint16(3) {
		for _, p := range []*capture.Packet{c.packet(true, flow.SYN), c.packet(false, flow.SYN|flow.ACK), c.packet(true, flow.ACK)} {
			if p.SrcPort == 40000 {
				p.SrcPort += 1 + i
			} else {
				p.DstPort += 1 + i
			}
			ps = append(ps, p)
		}
	}
	for _, r := range assembled(t, assemble.Options{}, ps...) {
		if r.Key.ServerPort != 33333 {
			t.Errorf("%v by %v (%d)", r.Key, r.Evidence, r.Confidence)
		}
	}
}

// On a tap that sees one direction, a question without an answer is no failure.
func TestAOneWayTapIsNoticed(t *testing.T) {
	var ps []*capture.Packet
	c := conversation{flow.TCP, 443, start}
	for i := range uint16(20) {
		for _, p := range []*capture.Packet{c.packet(true, flow.SYN), c.packet(true, flow.ACK), c.packet(true, flow.ACK|flow.FIN)} {
			p.SrcPort = 2000 + i
			ps = append(ps, p)
		}
	}
	c.now = c.now.Add(5 * time.Minute)
	u := conversation{flow.UDP, 53, c.now}
	ps = append(ps, u.packet(true, 0, make([]byte, 12)...))
	for _, r := range assembled(t, assemble.Options{}, ps...) {
		if r.Key.Proto == flow.UDP && r.Outcome != flow.OneWay || r.Key.Proto == flow.TCP && r.Outcome != flow.Established {
			t.Errorf("%s: %v", r.Key.Service(), r.Outcome)
		}
	}
}
