package flow_test

import (
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

func TestRhythmOf(t *testing.T) {
	for _, c := range []struct {
		window, days, hours int
		want                flow.Rhythm
	}{
		{7, 0, 0, ""}, {7, 1, 1, flow.Once}, {7, 1, 20, flow.Once}, {30, 1, 1, flow.Once}, {7, 2, 4, flow.Occasional}, {30, 11, 11, flow.Occasional},
		{7, 7, 7, flow.Daily}, {7, 5, 10, flow.Daily}, {7, 5, 45, flow.WorkingHours}, {7, 7, 160, flow.Steady}, {30, 30, 480, flow.Steady},
		{1, 1, 1, flow.Daily}, {1, 1, 9, flow.WorkingHours}, {1, 1, 24, flow.Steady}, {0, 1, 1, flow.Daily}, // too short to say once
	} {
		s := flow.EdgeStats{}
		s.Days, s.Hours = uint32(c.days), uint32(c.hours)
		if got := flow.RhythmOf(&s, 1, flow.Time(1).Add(time.Duration(c.window)*24*time.Hour)); got != c.want {
			t.Errorf("%d days, %d hours of %d days: %q, want %q", c.days, c.hours, c.window, got, c.want)
		}
	}
}
