package fleet_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

func sampleToken() fleet.Token {
	t := fleet.Token{ID: [8]byte{1, 2, 3}, Secret: [16]byte{4, 5, 6}}
	t.CA[0], t.CA[31] = 7, 8
	return t
}

// TestTokenKnowsWhenItIsMistyped: no single character changed, cut off or added
// gives another token.
func TestTokenKnowsWhenItIsMistyped(t *testing.T) {
	want := sampleToken()
	text := want.String()
	got, err := fleet.ParseToken("  " + text + "\n")
	if err != nil || got != want {
		t.Fatalf("ParseToken = %v, %v", got, err)
	}
	for i := range text {
		for _, c := range "aZ0-_" {
			bad := text[:i] + string(c) + text[i+1:]
			if other, err := fleet.ParseToken(bad); bad != text && err == nil {
				t.Fatalf("%q gives %v", bad, other)
			}
		}
	}
	for _, bad := range []string{"", text[:len(text)-1], text + "A", strings.TrimPrefix(text, "bulkhead-join-")} {
		if _, err := fleet.ParseToken(bad); !errors.Is(err, fleet.ErrToken) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if strings.Contains(text, want.Hash()) {
		t.Error("the token shows what the controller keeps")
	}
}

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func TestStateAndProblem(t *testing.T) {
	for name, tc := range map[string]struct {
		sight   fleet.Sight
		state   fleet.State
		problem string
	}{
		"never heard of":     {fleet.Sight{Wanted: 1}, fleet.Joined, ""},
		"in sync":            {fleet.Sight{At: noon, Wanted: 3, Beat: fleet.Heartbeat{Serial: 3}}, fleet.InSync, ""},
		"behind":             {fleet.Sight{At: noon, Wanted: 4, Beat: fleet.Heartbeat{Serial: 3}}, fleet.Behind, ""},
		"waits":              {fleet.Sight{At: noon, Wanted: 4, Beat: fleet.Heartbeat{Serial: 3, Pending: 4}}, fleet.Pending, ""},
		"waits, and newer":   {fleet.Sight{At: noon, Wanted: 5, Beat: fleet.Heartbeat{Serial: 3, Pending: 4}}, fleet.Behind, ""},
		"silent":             {fleet.Sight{At: noon.Add(-time.Hour), Wanted: 3, Beat: fleet.Heartbeat{Serial: 3}}, fleet.Silent, "keeps what it last confirmed"},
		"refused":            {fleet.Sight{At: noon, Wanted: 4, Beat: fleet.Heartbeat{Serial: 3, Refusal: &fleet.Refusal{Why: "expired"}}}, fleet.Refused, "expired"},
		"refused long ago":   {fleet.Sight{At: noon, Wanted: 4, Beat: fleet.Heartbeat{Serial: 4, Refusal: &fleet.Refusal{Why: "expired"}}}, fleet.InSync, ""},
		"rolled back":        {fleet.Sight{At: noon, Wanted: 4, Beat: fleet.Heartbeat{Serial: 3, Refusal: &fleet.Refusal{Serial: 4, Why: "too late", RolledBack: true}}}, fleet.RolledBack, "too late"},
		"newer after that":   {fleet.Sight{At: noon, Wanted: 5, Beat: fleet.Heartbeat{Serial: 3, Refusal: &fleet.Refusal{Serial: 4, Why: "x", RolledBack: true}}}, fleet.Behind, ""},
		"released":           {fleet.Sight{At: noon, Wanted: 4, Beat: fleet.Heartbeat{Serial: 4, Released: true}}, fleet.Released, "taken away by hand"},
		"clock ahead":        {fleet.Sight{At: noon, Skew: time.Hour}, fleet.InSync, "clock is 1h0m0s ahead"},
		"clock behind":       {fleet.Sight{At: noon, Skew: -time.Hour}, fleet.InSync, "clock is 1h0m0s behind"},
		"nothing to enforce": {fleet.Sight{At: noon, Error: "policy x is broken"}, fleet.InSync, "policy x is broken"},
		"obstacle":           {fleet.Sight{At: noon, Beat: fleet.Heartbeat{Obstacles: []string{"table ip x"}}}, fleet.InSync, "table ip x"},
	} {
		if got := fleet.StateOf(&tc.sight, noon); got != tc.state {
			t.Errorf("%s: state %q, want %q", name, got, tc.state)
		}
		if got := fleet.Problem(&tc.sight, noon); (tc.problem == "") != (got == "") || !strings.Contains(got, tc.problem) {
			t.Errorf("%s: problem %q, want %q", name, got, tc.problem)
		}
	}
}

// TestBatchesComeBack: what is encoded is decoded, whatever is in it.
func TestBatchesComeBack(t *testing.T) {
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "v6") {
			return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "a"))).Unmap()
		}
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "a")))
	})
	when := rapid.Map(rapid.Int64Range(1, 1<<61), func(n int64) flow.Time { return flow.Time(n) })
	service := rapid.Custom(func(t *rapid.T) flow.Service {
		s := flow.Service{Proto: rapid.SampledFrom([]uint8{flow.TCP, flow.UDP, flow.SCTP, flow.ICMP, flow.ICMPv6, flow.GRE, 200}).Draw(t, "p")}
		if flow.HasPorts(s.Proto) || s.Proto == flow.ICMP || s.Proto == flow.ICMPv6 {
			s.Port = rapid.Uint16().Draw(t, "port")
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		b := &fleet.Batch{Queue: strings.Repeat("0a", 16), Seq: rapid.Uint64Range(1, 1<<62).Draw(t, "seq")}
		for range rapid.IntRange(0, 5).Draw(t, "records") {
			first := when.Draw(t, "first")
			b.Records = append(b.Records, flow.Record{ID: rapid.Uint64Min(1).Draw(t, "id"), First: first, Last: first + 5,
				Key:     flow.Key{Client: addr.Draw(t, "c"), Server: addr.Draw(t, "s"), ClientPort: rapid.Uint16().Draw(t, "cp"), ServerPort: 443, Proto: rapid.Byte().Draw(t, "p")},
				Outcome: flow.Outcome(rapid.IntRange(0, 3).Draw(t, "o")), Evidence: flow.EvidenceConntrack, Confidence: 100,
				ClientBytes: rapid.Uint64().Draw(t, "b"), End: flow.EndActive, Sensor: "h", Source: flow.SourceConntrack, ServerProcess: rapid.String().Draw(t, "process")})
		}
		for range rapid.IntRange(0, 5).Draw(t, "violations") {
			b.Violations = append(b.Violations, policy.Violation{Time: when.Draw(t, "t"), Client: flow.Party{Addr: addr.Draw(t, "c")},
				Server: flow.Party{Addr: addr.Draw(t, "s")}, Service: service.Draw(t, "service"),
				Outcome: policy.Blocked, Policy: "p", Inbound: rapid.Bool().Draw(t, "in"), Suppressed: rapid.Uint64().Draw(t, "n")})
		}
		data, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := fleet.DecodeBatch(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

// TestHostsSpeakForThemselves: a host cannot report as another, nor what means
// nothing.
func TestHostsSpeakForThemselves(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	good := flow.Record{ID: 1, Key: flow.Key{Client: a, Server: b, Proto: flow.TCP}, First: 1, Last: 2, Sensor: "bank", ClientWorkload: 7, Source: flow.SourcePackets}
	noTime, noAddr := good, good
	noTime.First, noAddr.Key.Client = 0, netip.Addr{}
	seen := policy.Violation{Time: 1, Client: flow.Party{Addr: a, Workload: 9}, Server: flow.Party{Addr: b}, Outcome: policy.Blocked, Host: "bank", Policy: strings.Repeat("p", 1000)}
	allowed := seen
	allowed.Outcome = policy.Allowed
	batch := &fleet.Batch{Records: []flow.Record{noTime, good, noAddr}, Violations: []policy.Violation{seen, allowed}}
	batch.Own("web1")
	if n := batch.Clean(); n != 3 || len(batch.Records) != 1 || len(batch.Violations) != 1 {
		t.Fatalf("%d dropped, %d and %d left", n, len(batch.Records), len(batch.Violations))
	}
	r, v := batch.Records[0], batch.Violations[0]
	if r.Sensor != "web1" || r.Source != flow.SourceConntrack || r.ClientWorkload != 0 || v.Host != "web1" || v.Client.Workload != 0 || len(v.Policy) != 253 {
		t.Errorf("%+v %+v", r, v)
	}
}

func FuzzDecodeBatch(f *testing.F) {
	b := fleet.Batch{Queue: strings.Repeat("0a", 16), Seq: 1, Violations: []policy.Violation{{Time: 1}}}
	good, _ := b.Encode()
	f.Add(good)
	f.Add([]byte(`{"queue":"","seq":0}`))
	f.Add([]byte(`{"records":[{"Key":{"Client":"::ffff:1.2.3.4"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := fleet.DecodeBatch(data)
		if (err == nil) != (b != nil) {
			t.Fatalf("batch %v with error %v", b, err)
		}
		if b != nil {
			b.Own("h")
			b.Clean()
		}
	})
}

func FuzzParseToken(f *testing.F) {
	f.Add(sampleToken().String())
	f.Fuzz(func(t *testing.T, text string) {
		if tok, err := fleet.ParseToken(text); err == nil && tok.String() != strings.TrimSpace(text) {
			t.Errorf("%q is read as %q", text, tok)
		}
	})
}
