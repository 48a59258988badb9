package metrics_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/internal/metrics"
)

func TestHandlerShowsEveryStage(t *testing.T) {
	n := uint64(0)
	h := metrics.Handler(func() []metrics.Stage {
		n += 10
		return []metrics.Stage{{Name: "walk", Unit: "packets", Received: n, Passed: n - 3, Drops: map[string]uint64{"not-ip": 3}}}
	})
	for _, want := range []string{`bulkhead_stage_received_total{stage="walk",unit="packets"} 10`,
		`bulkhead_stage_passed_total{stage="walk",unit="packets"} 17`,
		`bulkhead_stage_dropped_total{reason="not-ip",stage="walk",unit="packets"} 3`} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}
