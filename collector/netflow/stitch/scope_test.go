package stitch

import (
	"testing"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// Each way of separating address spaces has numbers of its own, so that no two
// spaces meet by accident.
func TestScopes(t *testing.T) {
	r := &plan.Row{VLAN: 5, VNI: 6, VRF: 7}
	for _, c := range []struct {
		o    Options
		src  Source
		row  *plan.Row
		want flow.Scope
	}{
		{Options{}, Source{Scope: 3}, r, 3},
		{Options{ScopeVLAN: true}, Source{}, r, 5 << 12},
		{Options{ScopeVLAN: true, ScopeVNI: true}, Source{}, r, 1<<31 | 6},
		{Options{ScopeVLAN: true}, Source{ScopeBy: ScopeFixed, Scope: 9}, r, 9},
		{Options{}, Source{ScopeBy: ScopeByVLAN}, r, 5 << 12},
		{Options{}, Source{ScopeBy: ScopeByVNI}, r, 1<<31 | 6},
		{Options{}, Source{ScopeBy: ScopeByVRF}, r, 1<<29 | 7},
		{Options{}, Source{ScopeBy: ScopeByVRF}, &plan.Row{}, 0},
		{Options{}, Source{ScopeBy: ScopeByDomain, Domain: 8}, r, 1<<30 | 8},
	} {
		s := &Stitcher{o: c.o}
		if got := s.scope(&c.src, c.row); got != c.want {
			t.Errorf("%+v %+v: scope %d, want %d", c.o, c.src, got, c.want)
		}
	}
}
