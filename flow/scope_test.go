package flow_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/flow"
)

func TestScopeTextRoundTrip(t *testing.T) {
	for text, want := range map[string]flow.Scope{"": 0, "vlan100": 100 << 12, "vlan100.7": 100<<12 | 7, "vni5001": 1<<31 | 5001, "7": 7} {
		got, err := flow.ParseScope(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: got %d, written %q, %v; want %d", text, got, got, err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := flow.Scope(rapid.Uint32().Draw(t, "scope"))
		if got, err := flow.ParseScope(s.String()); err != nil || got != s {
			t.Fatalf("%d is written %q and read %d, %v", uint32(s), s, got, err)
		}
	})
	for _, bad := range []string{"vlan", "vlan4096", "vlan1.", "vlan1.4096", "vni", "vni2147483648", "-1", "4294967296", "x"} {
		if s, err := flow.ParseScope(bad); err == nil {
			t.Errorf("%q is read as %d", bad, s)
		}
	}
}
