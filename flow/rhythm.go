package flow

import "time"

// Rhythm says how regularly something is seen.
type Rhythm string

const (
	Steady       Rhythm = "steady"        // most hours of most days
	WorkingHours Rhythm = "working-hours" // some hours of most days
	Daily        Rhythm = "daily"         // about once a day: nightly jobs
	Occasional   Rhythm = "occasional"    // on fewer than two days of five
	Once         Rhythm = "once"          // on one day of three or more
)

// RhythmOf classes s by on how many days, and in how many hours of them, of the
// window from since to until it was seen; "" when it never was. It tells month-end
// jobs from one-offs only when the window holds more than one month's end.
func RhythmOf(s *EdgeStats, since, until Time) Rhythm {
	const (
		day         = 24 * time.Hour
		regular     = 0.4 // share of the window's days
		aroundClock = 16  // hours a day
		severalADay = 3
		tooShort    = 2 // days; in a shorter window once says nothing
	)
	window := max(float64(until.Sub(since))/float64(day), 1)
	perDay := float64(s.Hours) / float64(max(s.Days, 1))
	switch {
	case s.Days == 0:
		return ""
	case s.Days == 1 && window > tooShort:
		return Once
	case float64(s.Days)/window < regular:
		return Occasional
	case perDay >= aroundClock:
		return Steady
	case perDay >= severalADay:
		return WorkingHours
	}
	return Daily
}
