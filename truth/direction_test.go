package main

import (
	"testing"

	"github.com/bulkhead/bulkhead/internal/scenario"
)

// What is seen as packets must be found whole and the right way round; the other
// floors are a little below what was measured.
func TestDirectionHoldsTheLine(t *testing.T) {
	floors := map[string]float64{"packets": 1, "packets, every connection begun before": 1, "NetFlow v9, unidirectional": 0.999, "IPFIX, unidirectional": 0.999, "NetFlow v5, unidirectional": 0.999, "sFlow 1:100": 0.99}
	base := scenario.Options{Workloads: 200, Days: 2}
	for _, o := range observations {
		floor, ok := floors[o.name]
		if !ok {
			continue
		}
		d, err := o.measure(base, t.TempDir())
		if err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		if share := float64(d.right) / float64(max(1, d.right+d.reversed)); share < floor {
			t.Errorf("%s: client right in %.4f of %d flows, want %.4f", o.name, share, d.right+d.reversed, floor)
		}
		if floor == 1 && (d.found != d.edges || d.falseEdge > 0) {
			t.Errorf("%s: found %d of %d edges and %d false ones", o.name, d.found, d.edges, d.falseEdge)
		}
	}
}
