package flow_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
)

func TestServiceTextRoundTrip(t *testing.T) {
	for _, text := range []string{"tcp/443", "udp/53", "icmp/8/0", "icmpv6/128/0", "sctp/3868", "gre", "47x"} {
		s, err := flow.ParseService(text)
		if text == "47x" {
			if err == nil {
				t.Errorf("ParseService(%q) accepted", text)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(text, s.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestEdgeJSONRoundTrip(t *testing.T) {
	want := flow.EdgeStats{Flows: 3, First: 1e18, Last: 1e18 + 5, Evidence: flow.EvidenceSYN}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got flow.EdgeStats
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReverseTwiceIsIdentity(t *testing.T) {
	r := flow.Record{ClientBytes: 1, ServerBytes: 2, ClientPackets: 3, ServerPackets: 4, ClientFlags: flow.SYN, ServerFlags: flow.ACK,
		Key: flow.Key{ClientPort: 5, ServerPort: 6}, ClientWorkload: 7, ServerWorkload: 8, Evidence: flow.EvidenceSYN, Confidence: 9}
	got := r
	got.Reverse(flow.EvidenceOverride, 100)
	if got.Key.ClientPort != 6 || got.ServerFlags != flow.SYN || got.ClientWorkload != 8 {
		t.Errorf("Reverse left a side behind: %+v", got)
	}
	got.Reverse(r.Evidence, r.Confidence)
	if diff := cmp.Diff(r, got, cmp.Comparer(func(a, b flow.Key) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
