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

// days gives the days since 1970 of dates.
func days(t *testing.T, dates ...string) []uint32 {
	t.Helper()
	var out []uint32
	for _, d := range dates {
		at, err := time.Parse(time.DateOnly, d)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, uint32(at.Unix()/86400))
	}
	return out
}

func TestRhythmOn(t *testing.T) {
	const nightHours, officeHours = 1<<2 | 1<<23, 1<<9 | 1<<2
	for _, c := range []struct {
		want   flow.Rhythm
		window int // days
		hours  uint32
		days   []uint32
	}{
		{flow.Weekly, 30, officeHours, days(t, "2026-11-06", "2026-11-13", "2026-11-20")},
		{flow.Weekly, 40, officeHours, days(t, "2026-11-06", "2026-11-20", "2026-11-27")},      // one was missed
		{flow.Occasional, 30, officeHours, days(t, "2026-11-06", "2026-11-13")},                // two prove nothing
		{flow.Occasional, 400, officeHours, days(t, "2026-01-02", "2026-06-05", "2026-12-04")}, // chance
		{flow.MonthEnd, 60, nightHours, days(t, "2026-09-30", "2026-10-31")},                   // last days
		{flow.MonthEnd, 400, nightHours, days(t, "2026-01-30", "2026-02-02", "2026-03-01")},    // a weekend moved them
		{flow.Occasional, 30, nightHours, days(t, "2026-10-30", "2026-10-31", "2026-11-01")},   // one turn only
		{flow.MonthEnd, 400, nightHours, days(t, "2025-12-31", "2026-03-31", "2026-06-30")},    // quarters
		{flow.Monthly, 400, officeHours, days(t, "2026-01-15", "2026-02-16", "2026-03-15")},    // pay day
		{flow.Occasional, 400, officeHours, days(t, "2026-01-15", "2026-02-16", "2026-02-17")}, // twice in a month
		{flow.Nightly, 4, nightHours, days(t, "2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05")},
		{flow.Daily, 4, officeHours, days(t, "2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05")},
		{flow.Once, 30, nightHours, days(t, "2026-11-02")},
		{"", 30, 0, nil},
	} {
		s := flow.EdgeStats{Days: uint32(len(c.days)), Hours: uint32(len(c.days))}
		if got := flow.RhythmOn(&s, c.days, c.hours, 1, flow.Time(1).Add(time.Duration(c.window)*24*time.Hour)); got != c.want {
			t.Errorf("%d days of %d from %v: %q, want %q", len(c.days), c.window, c.days, got, c.want)
		}
	}
}
