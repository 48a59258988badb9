package store_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/store"
)

// What exporters say of translated addresses is read back: who stands behind whom.
func TestTranslationsSayWhoStandsBehindWhom(t *testing.T) {
	s := open(t)
	ip := netip.MustParseAddr
	plain, twice, office, office2, vip := record(1, 1), record(2, 1), record(3, 1), record(4, 2), record(5, 3)
	office.Key.Client, office.NAT.Client = ip("10.8.0.2"), ip("198.51.100.1")
	office2.Key.Client, office2.NAT.Client = ip("10.8.0.1"), ip("198.51.100.1")
	vip.Key.Server, vip.NAT.Server, vip.Key.Scope = ip("fd00::100"), ip("fd00::1"), 7
	twice.NAT.Server = twice.Key.Server // an exporter that fills the field whatever happened
	write(t, s, plain, twice, office, office2, vip)
	want := []flow.Translation{
		{Public: ip("198.51.100.1"), Behind: []netip.Addr{ip("10.8.0.1"), ip("10.8.0.2")}, Flows: 2},
		{Servers: true, Public: ip("fd00::100"), Scope: 7, Behind: []netip.Addr{ip("fd00::1")}, Flows: 1},
	}
	got, err := s.Translations(t.Context(), store.Query{})
	if diff := cmp.Diff(want, got, sameAddr); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err = s.Translations(t.Context(), store.Query{Since: at(2.5)}); err != nil || len(got) != 1 || !got[0].Servers {
		t.Errorf("in a later window: %+v, %v", got, err)
	}
}
