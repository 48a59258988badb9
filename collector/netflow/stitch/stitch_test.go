package stitch_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/collector/netflow/stitch"
	"github.com/bulkhead/bulkhead/flow"
)

const (
	second = flow.Time(1e9)
	t0     = flow.Time(1_700_000_000) * second
)

var client, server = plan.AddrOf(netip.MustParseAddr("10.0.0.9")), plan.AddrOf(netip.MustParseAddr("10.0.0.1"))

const full = flow.SYN | flow.ACK | flow.PSH | flow.FIN

// up is a row from the client to the server's port 443, down the way back.
func up(first, last flow.Time, packets uint64, flags uint8) plan.Row {
	return plan.Row{Src: client, Dst: server, SrcPort: 51515, DstPort: 443, Proto: flow.TCP, Flags: flags,
		First: t0 + first*second, Last: t0 + last*second, Packets: packets, Bytes: packets * 100, InIf: 1}
}

func down(first, last flow.Time, packets uint64, flags uint8) plan.Row {
	return plan.Row{Src: server, Dst: client, SrcPort: 443, DstPort: 51515, Proto: flow.TCP, Flags: flags,
		First: t0 + first*second, Last: t0 + last*second, Packets: packets, Bytes: packets * 1000, InIf: 2}
}

func sampled(r plan.Row) plan.Row {
	r.Sampling = 100
	return r
}

// rig is a stitcher with two exporters.
type rig struct {
	*stitch.Stitcher
	a, b stitch.Source
}

func newRig(o stitch.Options) *rig {
	s := stitch.New(o)
	return &rig{s, stitch.Source{Exporter: s.Exporter("a"), Kind: flow.SourceNetFlow9}, stitch.Source{Exporter: s.Exporter("b"), Kind: flow.SourceNetFlow9}}
}

func (g *rig) add(src *stitch.Source, at flow.Time, rows ...plan.Row) {
	g.Add(src, rows, t0+at*second)
}

// brief is what most tests look at.
type brief struct {
	Client, Server   string
	Packets, Replies uint64
	Outcome          string
	Split            uint32
	Sensor           string
}

func (g *rig) briefs() []brief {
	out := []brief{}
	for _, r := range g.Out() {
		out = append(out, brief{
			netip.AddrPortFrom(r.Key.Client, r.Key.ClientPort).String(), netip.AddrPortFrom(r.Key.Server, r.Key.ServerPort).String(),
			r.ClientPackets, r.ServerPackets, r.Outcome.String(), r.Split, r.Sensor})
	}
	return out
}

const clientEnd, serverEnd = "10.0.0.9:51515", "10.0.0.1:443"

func TestHalvesBecomeOneFlow(t *testing.T) {
	denied := up(0, 0, 1, flow.SYN)
	denied.Event = plan.EventDenied
	gone1, gone2 := up(0, 9, 5, full), down(0, 9, 4, full) // PAN-OS: each direction ends by itself
	gone1.Event, gone2.Event = plan.EventDeleted, plan.EventDeleted
	silent := up(0, 30, 3, 0) // ASA: created, torn down, and the responder sent nothing
	silent.Event, silent.Initiator, silent.Biflow = plan.EventDeleted, plan.InitiatorSource, true
	created := up(0, 0, 1, flow.SYN) // PAN-OS: a session for a SYN that nobody answered
	created.Event = plan.EventCreated
	unreachable := plan.Row{Src: server, Dst: client, DstPort: 3<<8 | 1, Proto: flow.ICMP, Packets: 3, First: t0, Last: t0}
	udp := up(0, 1, 2, 0)
	udp.Proto = flow.UDP
	udpDown := down(0, 1, 2, 0)
	udpDown.Proto = flow.UDP
	for _, c := range []struct {
		name string
		rows []plan.Row
		want []brief
	}{
		{"both directions", []plan.Row{up(0, 9, 5, full), down(0, 9, 4, full)}, []brief{{clientEnd, serverEnd, 5, 4, "established", 0, "a"}}},
		{"the answer first", []plan.Row{down(0, 9, 4, full), up(0, 9, 5, full)}, []brief{{clientEnd, serverEnd, 5, 4, "established", 0, "a"}}},
		{"two splits, then the other direction", []plan.Row{up(0, 60, 5, full), up(60, 90, 3, flow.ACK), down(0, 90, 4, full)},
			[]brief{{clientEnd, serverEnd, 8, 4, "established", 0, "a"}}},
		{"a SYN without an answer", []plan.Row{up(0, 3, 3, flow.SYN)}, []brief{{clientEnd, serverEnd, 3, 0, "unanswered", 0, "a"}}},
		{"a refused connection", []plan.Row{up(0, 0, 1, flow.SYN), down(0, 0, 1, flow.RST|flow.ACK)}, []brief{{clientEnd, serverEnd, 1, 1, "refused", 0, "a"}}},
		{"one side of a conversation", []plan.Row{up(0, 9, 5, full)}, []brief{{clientEnd, serverEnd, 5, 0, "established", 0, "a"}}},
		{"the server's side of a conversation", []plan.Row{down(0, 9, 5, full)}, []brief{{clientEnd, serverEnd, 0, 5, "established", 0, "a"}}},
		{"an acknowledgement alone", []plan.Row{up(0, 9, 1, flow.ACK)}, []brief{{clientEnd, serverEnd, 1, 0, "one-way", 0, "a"}}},
		{"a sampled acknowledgement", []plan.Row{sampled(up(0, 9, 1, flow.ACK))}, []brief{{clientEnd, serverEnd, 100, 0, "established", 0, "a"}}},
		{"a sampled SYN", []plan.Row{sampled(up(0, 9, 1, flow.SYN))}, []brief{{clientEnd, serverEnd, 100, 0, "one-way", 0, "a"}}},
		{"a reset alone", []plan.Row{down(0, 0, 1, flow.RST|flow.ACK)}, []brief{{clientEnd, serverEnd, 0, 1, "refused", 0, "a"}}},
		{"a UDP answer alone", []plan.Row{udpDown}, []brief{{clientEnd, serverEnd, 0, 2, "established", 0, "a"}}},
		{"UDP from an exporter that shows one direction only", []plan.Row{udp}, []brief{{clientEnd, serverEnd, 2, 0, "one-way", 0, "a"}}},
		{"ended, says a firewall of both directions", []plan.Row{gone1, gone2}, []brief{{clientEnd, serverEnd, 5, 4, "established", 0, "a"}}},
		{"let through and never answered, ASA", []plan.Row{silent}, []brief{{clientEnd, serverEnd, 3, 0, "unanswered", 0, "a"}}},
		{"let through and never answered, PAN-OS", []plan.Row{created}, []brief{{clientEnd, serverEnd, 1, 0, "unanswered", 0, "a"}}},
		{"an ICMP error", []plan.Row{unreachable}, []brief{{"10.0.0.1:0", "10.0.0.9:769", 3, 0, "one-way", 0, "a"}}},
		{"denied by a firewall", []plan.Row{denied}, []brief{{clientEnd, serverEnd, 1, 0, "denied", 0, "a"}}},
	} {
		g := newRig(stitch.Options{})
		g.add(&g.a, 100, c.rows...)
		g.Flush()
		if diff := cmp.Diff(c.want, g.briefs()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestHalfWaitsOnlySoLong(t *testing.T) {
	g := newRig(stitch.Options{Wait: 30 * time.Second})
	g.add(&g.a, 10, up(0, 9, 5, full))
	g.Expire(t0 + 39*second)
	if n := len(g.Out()); n != 0 {
		t.Fatalf("%d records before the wait was over", n)
	}
	g.Expire(t0 + 40*second)
	want := []brief{{clientEnd, serverEnd, 5, 0, "established", 0, "a"}}
	if diff := cmp.Diff(want, g.briefs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSplitsKeepTheirIdentity(t *testing.T) {
	g := newRig(stitch.Options{})
	g.add(&g.a, 60, up(0, 60, 5, full), down(0, 60, 4, full))
	g.add(&g.a, 120, up(60, 120, 6, flow.ACK), down(60, 120, 7, flow.ACK))
	g.add(&g.a, 900, up(890, 895, 1, full), down(890, 895, 1, full)) // another connection from the same port
	out := g.Out()
	if len(out) != 3 || out[0].ID == 0 || out[0].ID != out[1].ID || out[0].ID == out[2].ID {
		t.Fatalf("identities: %v", out)
	}
	if out[0].Split != 0 || out[1].Split != 1 || out[2].Split != 0 {
		t.Errorf("splits %d %d %d, want 0 1 0", out[0].Split, out[1].Split, out[2].Split)
	}
	if out[1].Key != out[0].Key || out[1].Evidence != out[0].Evidence {
		t.Errorf("the second split changed direction: %+v", out[1])
	}
}

func TestFirewallEventsAreOneConnection(t *testing.T) {
	g := newRig(stitch.Options{})
	created, update, deleted := up(0, 0, 0, 0), up(0, 30, 5, 0), up(0, 60, 6, 0)
	created.Event, update.Event, deleted.Event = plan.EventCreated, plan.EventUpdate, plan.EventDeleted
	for _, r := range []*plan.Row{&created, &update, &deleted} {
		r.Initiator = plan.InitiatorSource
	}
	update.RevPackets, update.RevBytes = 3, 300
	deleted.RevPackets, deleted.RevBytes = 4, 400
	g.add(&g.a, 1, created)
	g.add(&g.a, 30, update)
	g.add(&g.a, 60, deleted)
	want := []brief{{clientEnd, serverEnd, 11, 7, "established", 0, "a"}}
	if diff := cmp.Diff(want, g.briefs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What was denied once may be allowed later, from the same port.
func TestDeniedThenAllowed(t *testing.T) {
	denied, deleted := up(0, 0, 1, flow.SYN), up(20, 60, 6, 0)
	denied.Event, deleted.Event = plan.EventDenied, plan.EventDeleted
	deleted.RevPackets, deleted.Initiator = 4, plan.InitiatorSource
	g := newRig(stitch.Options{})
	g.add(&g.a, 1, denied, denied)
	g.add(&g.a, 60, deleted)
	want := []brief{
		{clientEnd, serverEnd, 1, 0, "denied", 0, "a"}, {clientEnd, serverEnd, 1, 0, "denied", 0, "a"},
		{clientEnd, serverEnd, 6, 4, "established", 0, "a"},
	}
	if diff := cmp.Diff(want, g.briefs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTranslatedTuplesAreKept(t *testing.T) {
	u, d := up(0, 9, 5, full), down(0, 9, 4, full)
	u.PostSrc, u.PostSrcPort = plan.AddrOf(netip.MustParseAddr("198.51.100.7")), 1025
	u.PostDst, u.PostDstPort = u.Dst, u.DstPort // not translated
	g := newRig(stitch.Options{})
	g.add(&g.a, 1, u, d)
	want := flow.NAT{Client: netip.MustParseAddr("198.51.100.7"), ClientPort: 1025}
	if diff := cmp.Diff(want, g.Out()[0].NAT); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSamplingScalesAndHidesAbsence(t *testing.T) {
	g := newRig(stitch.Options{})
	g.add(&g.a, 1, sampled(up(0, 0, 3, flow.SYN)))
	g.Flush()
	r := g.Out()[0]
	if r.ClientPackets != 300 || r.ClientBytes != 30000 || r.SamplingRate != 100 {
		t.Errorf("not scaled: %+v", r)
	}
	if r.Outcome != flow.OneWay {
		t.Errorf("outcome %v: nothing can be said of what was not sampled", r.Outcome)
	}
}

func TestTotalsBecomeDeltas(t *testing.T) {
	g := newRig(stitch.Options{})
	for i := range 3 {
		u, d := up(0, flow.Time(60*(i+1)), uint64(10*(i+1)), full), down(0, flow.Time(60*(i+1)), uint64(10*(i+1)), full)
		u.Total, d.Total = true, true
		g.add(&g.a, flow.Time(60*(i+1)), u, d)
	}
	var up, down uint64
	for _, r := range g.Out() {
		up, down = up+r.ClientPackets, down+r.ServerPackets
	}
	if up != 30 || down != 30 {
		t.Errorf("%d and %d packets, want 30 and 30", up, down)
	}
}

func TestICMPRequestAndReplyJoin(t *testing.T) {
	request := plan.Row{Src: client, Dst: server, DstPort: 8 << 8, Proto: flow.ICMP, Packets: 3, First: t0, Last: t0}
	reply := plan.Row{Src: server, Dst: client, DstPort: 0, Proto: flow.ICMP, Packets: 2, First: t0, Last: t0}
	g := newRig(stitch.Options{})
	g.add(&g.a, 1, reply, request)
	want := []brief{{"10.0.0.9:0", "10.0.0.1:2048", 3, 2, "established", 0, "a"}}
	if diff := cmp.Diff(want, g.briefs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Where an exporter shows both directions, an ICMP reply without its question is no
// answer; where it shows one, or a sample, the question was elsewhere.
func TestICMPReplyAlone(t *testing.T) {
	reply := plan.Row{Src: server, Dst: client, DstPort: 0, Proto: flow.ICMP, Packets: 2, First: t0, Last: t0}
	for name, tt := range map[string]struct {
		before []plan.Row
		reply  plan.Row
		want   brief
	}{
		"both directions": {[]plan.Row{up(0, 1, 5, full), down(0, 1, 5, full)}, reply,
			brief{"10.0.0.9:0", "10.0.0.1:2048", 0, 2, "one-way", 0, "a"}},
		"one direction": {nil, reply, brief{"10.0.0.9:0", "10.0.0.1:2048", 0, 2, "established", 0, "a"}},
		"sampled": {[]plan.Row{up(0, 1, 5, full), down(0, 1, 5, full)}, sampled(reply),
			brief{"10.0.0.9:0", "10.0.0.1:2048", 0, 200, "established", 0, "a"}},
	} {
		g := newRig(stitch.Options{})
		g.add(&g.a, 1, append(tt.before, tt.reply)...)
		g.Flush()
		got := g.briefs()
		if !slices.Contains(got, tt.want) {
			t.Errorf("%s: %v not in %v", name, tt.want, got)
		}
	}
}

func TestRouterAdvertisementAnswersItsSolicitation(t *testing.T) {
	host, router := plan.AddrOf(netip.MustParseAddr("fe80::9")), plan.AddrOf(netip.MustParseAddr("fe80::1"))
	ask := plan.Row{Src: host, Dst: router, DstPort: 133 << 8, Proto: flow.ICMPv6, Packets: 1, First: t0, Last: t0}
	answer := plan.Row{Src: router, Dst: host, DstPort: 134 << 8, Proto: flow.ICMPv6, Packets: 1, First: t0, Last: t0}
	g := newRig(stitch.Options{})
	g.add(&g.a, 1, answer, ask)
	g.Flush()
	want := []brief{{"[fe80::9]:0", "[fe80::1]:34048", 1, 1, "established", 0, "a"}}
	if diff := cmp.Diff(want, g.briefs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A host asks four servers outside from the port that NTP serves on, and the
// exporter gives both halves of a flow the same start.
func TestNTPClientBehindTheBorder(t *testing.T) {
	for _, answerFirst := range []bool{false, true} {
		g := newRig(stitch.Options{})
		for i := range byte(4) {
			u, d := up(flow.Time(i), flow.Time(i), 7, 0), down(flow.Time(i), flow.Time(i), 7, 0)
			public := plan.AddrOf(netip.AddrFrom4([4]byte{37 + 70*i, 187, 104, 44}))
			u.Dst, d.Src = public, public
			for _, r := range []*plan.Row{&u, &d} {
				r.Proto, r.SrcPort, r.DstPort = flow.UDP, 123, 123
			}
			if answerFirst {
				u, d = d, u
			}
			g.add(&g.a, 1, u, d)
		}
		g.Flush()
		for _, r := range g.Out() {
			if r.Key.Client != client.Std() {
				t.Errorf("%v is taken for the client, by %v (%d)", r.Key.Client, r.Evidence, r.Confidence)
			}
		}
		if n := len(g.Out()); n != 4 {
			t.Errorf("%d records, want 4", n)
		}
	}
}

func TestFirstPacketFlagsAreProof(t *testing.T) {
	// Ports say nothing, the answer came first: only the flags can tell.
	u, d := up(5, 9, 5, full), down(5, 9, 5, full)
	u.DstPort, d.SrcPort = 51516, 51516
	u.InitFlags, d.InitFlags = flow.SYN, flow.SYN|flow.ACK
	g := newRig(stitch.Options{})
	g.add(&g.a, 1, d, u)
	r := g.Out()[0]
	if r.Key.Client != client.Std() || r.Evidence != flow.EvidenceSYN || r.Confidence != 100 {
		t.Errorf("client %v by %v (%d)", r.Key.Client, r.Evidence, r.Confidence)
	}
}

// A flow whose ports say nothing is held back until the rest of the data set has
// shown who serves.
func TestWeakDirectionsWait(t *testing.T) {
	g := newRig(stitch.Options{})
	ntp := func(host byte, first flow.Time) (u, d plan.Row) {
		u, d = up(first, first, 1, 0), down(first, first, 1, 0)
		u.Src.Lo, d.Dst.Lo = u.Src.Lo&^0xff|uint64(host), d.Dst.Lo&^0xff|uint64(host)
		for _, r := range []*plan.Row{&u, &d} {
			r.Proto, r.SrcPort, r.DstPort = flow.UDP, 123, 123
		}
		return u, d
	}
	for host := range byte(20) {
		u, d := ntp(100+host, 0)
		g.add(&g.a, 1, d, u) // the server's half first, and both begin in the same instant
	}
	if n := len(g.Out()); n > 15 {
		t.Fatalf("%d of 20 passed on at once, while little was known", n)
	}
	g.Flush()
	for _, r := range g.Out() {
		if r.Key.Server != server.Std() {
			t.Errorf("%v is taken for the server, by %v (%d)", r.Key.Server, r.Evidence, r.Confidence)
		}
	}
	if n := len(g.Out()); n != 20 {
		t.Errorf("%d records, want 20", n)
	}
}
