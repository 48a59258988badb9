package direction_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/flow"
)

func end(addr string, port uint16) direction.End {
	return direction.End{Addr: netip.MustParseAddr(addr), Port: port}
}

func TestDecideInOrderOfEvidence(t *testing.T) {
	low, high := end("10.0.0.1", 443), end("10.0.0.2", 51000)
	odd1, odd2 := end("10.0.0.1", 33001), end("10.0.0.2", 33002)
	tests := []struct {
		name string
		o    direction.Overrides
		f    direction.Flow
		want direction.Verdict
	}{
		{"a SYN beats the port numbers", direction.Overrides{},
			direction.Flow{A: low, B: high, Proto: flow.TCP, Hint: direction.Hint{Evidence: flow.EvidenceSYN, ClientIsA: true}},
			direction.Verdict{ClientIsA: true, Evidence: flow.EvidenceSYN, Confidence: 97}},
		{"the operator beats a SYN", direction.Overrides{ServerPorts: []direction.PortRange{{Proto: flow.TCP, From: 443, To: 443}}},
			direction.Flow{A: low, B: high, Proto: flow.TCP, Hint: direction.Hint{Evidence: flow.EvidenceSYN, ClientIsA: true}},
			direction.Verdict{ClientIsA: false, Evidence: flow.EvidenceOverride, Confidence: 100}},
		{"an override that speaks for both ends decides nothing", direction.Overrides{Servers: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
			direction.Flow{A: high, B: low, Proto: flow.TCP},
			direction.Verdict{ClientIsA: true, Evidence: flow.EvidencePortPrior, Confidence: 90}},
		{"per address", direction.Overrides{Clients: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/32")}},
			direction.Flow{A: odd1, B: odd2, Proto: flow.UDP},
			direction.Verdict{ClientIsA: false, Evidence: flow.EvidenceOverride, Confidence: 100}},
		{"registered port against ephemeral range", direction.Overrides{},
			direction.Flow{A: low, B: high, Proto: flow.TCP},
			direction.Verdict{ClientIsA: false, Evidence: flow.EvidencePortPrior, Confidence: 90}},
		{"two ephemeral ports: who spoke first", direction.Overrides{},
			direction.Flow{A: odd1, B: odd2, Proto: flow.UDP},
			direction.Verdict{ClientIsA: true, Evidence: flow.EvidenceFirstSeen, Confidence: 50}},
	}
	for _, tt := range tests {
		got := direction.New(direction.Options{Overrides: tt.o}).Decide(tt.f)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestLearnsAServerFromManyPeers(t *testing.T) {
	l := direction.New(direction.Options{Seed: 1})
	server := end("10.0.0.1", 33001) // looks ephemeral, and is not
	for i := range uint16(20) {
		l.Learn(direction.Flow{A: server, B: end("10.0.1.7", 40000+i), Proto: flow.TCP})
	}
	got := l.Decide(direction.Flow{A: server, B: end("10.0.1.9", 33002), Proto: flow.TCP})
	if got.ClientIsA || got.Evidence != flow.EvidenceKnownPort || got.Confidence < 90 {
		t.Errorf("a port with twenty peers is not taken for a server's: %+v", got)
	}
}

// A few peers outside with the same port do not make a private end their server;
// many do.
func TestPrivateEndServesOutwardWhenManyAsk(t *testing.T) {
	private := end("10.0.0.1", 123)
	public := func(i int) direction.End {
		return direction.End{Addr: netip.AddrFrom4([4]byte{80, 1, byte(i >> 8), byte(i)}), Port: 123}
	}
	for peers, want := range map[int]bool{4: true, 10: true, 40: false} {
		l := direction.New(direction.Options{Seed: 1})
		for i := range peers {
			l.Learn(direction.Flow{A: private, B: public(i), Proto: flow.UDP})
		}
		if got := l.Decide(direction.Flow{A: private, B: public(0), Proto: flow.UDP}); got.ClientIsA != want {
			t.Errorf("%d peers: %+v", peers, got)
		}
	}
}

func TestOutward(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		want     bool
	}{
		{"192.168.0.30", "37.187.104.44", true},
		{"37.187.104.44", "192.168.0.30", false},
		{"10.0.0.1", "192.168.0.1", false},
		{"10.0.0.1", "224.0.1.1", false},
		{"fd00::1", "2001:db8::1", true},
		{"2001:db8::1", "2001:db8::2", false},
	} {
		if got := direction.Outward(netip.MustParseAddr(tt.from), netip.MustParseAddr(tt.to)); got != tt.want {
			t.Errorf("%s to %s: %v", tt.from, tt.to, got)
		}
	}
}

func TestOneHandshakeTeachesTheRest(t *testing.T) {
	l := direction.New(direction.Options{Seed: 1})
	l.Learn(direction.Flow{A: end("10.0.1.7", 50000), B: end("10.0.0.1", 33001), Proto: flow.TCP,
		Hint: direction.Hint{Evidence: flow.EvidenceSYN, ClientIsA: true, Both: true}})
	r := flow.Record{Key: flow.Key{Client: netip.MustParseAddr("10.0.0.1"), Server: netip.MustParseAddr("10.0.1.8"),
		ClientPort: 33001, ServerPort: 33002, Proto: flow.TCP}, ClientBytes: 1, ServerBytes: 2, Evidence: flow.EvidenceFirstSeen, Confidence: 50}
	if !l.Revise(&r) {
		t.Fatal("a finished record was not revised")
	}
	if r.Key.ServerPort != 33001 || r.ClientBytes != 2 || r.Evidence != flow.EvidenceKnownPort {
		t.Errorf("revised to %+v", r)
	}
}

func TestReviseKeepsWhatTheFlowShowed(t *testing.T) {
	l := direction.New(direction.Options{Seed: 1})
	for i := range uint16(50) {
		l.Learn(direction.Flow{A: end("10.0.1.7", 50000+i), B: end("10.0.0.1", 33001), Proto: flow.TCP,
			Hint: direction.Hint{Evidence: flow.EvidenceSYN, ClientIsA: true}})
	}
	r := flow.Record{Key: flow.Key{Client: netip.MustParseAddr("10.0.0.1"), Server: netip.MustParseAddr("10.0.1.8"),
		ClientPort: 33001, ServerPort: 80, Proto: flow.TCP}, Evidence: flow.EvidenceSYN, Confidence: 97}
	if l.Revise(&r) {
		t.Errorf("a SYN was overruled: %+v", r)
	}
}

// A flood of ends must neither grow the table beyond its bound nor push out a
// proven server.
func TestBoundedAndServersSurviveAFlood(t *testing.T) {
	l := direction.New(direction.Options{MaxEnds: 1024, Seed: 7})
	server := end("10.0.0.1", 33001)
	for i := range uint16(200) {
		l.Learn(direction.Flow{A: end("10.0.1.7", 40000+i), B: server, Proto: flow.TCP,
			Hint: direction.Hint{Evidence: flow.EvidenceSYN, ClientIsA: true}})
	}
	for i := range 100_000 {
		a := netip.AddrFrom4([4]byte{172, byte(i >> 16), byte(i >> 8), byte(i)})
		l.Learn(direction.Flow{A: direction.End{Addr: a, Port: uint16(i)}, B: direction.End{Addr: a.Next(), Port: 1}, Proto: flow.UDP})
	}
	if s := l.Serves(server.Addr, 0, flow.Service{Proto: flow.TCP, Port: 33001}); s < 10 {
		t.Errorf("the server's score fell to %v", s)
	}
}

func TestLearnAndDecideDoNotAllocate(t *testing.T) {
	l := direction.New(direction.Options{Seed: 1})
	f := direction.Flow{A: end("10.0.0.1", 33001), B: end("2001:db8::1", 33002), Proto: flow.TCP}
	if n := testing.AllocsPerRun(100, func() { l.Learn(f); l.Decide(f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPriorRanksRegisteredAboveEphemeral(t *testing.T) {
	if direction.Prior(flow.TCP, 51515) >= direction.Prior(flow.TCP, 8081) {
		t.Error("an ephemeral port ranks above a registered one")
	}
}

func BenchmarkDecide(b *testing.B) {
	l := direction.New(direction.Options{Seed: 1})
	f := direction.Flow{A: end("10.0.0.1", 33001), B: end("10.0.0.2", 443), Proto: flow.TCP}
	b.ReportAllocs()
	for b.Loop() {
		l.Learn(f)
		l.Decide(f)
	}
}
