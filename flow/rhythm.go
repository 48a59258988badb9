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

// Rhythms that only the days themselves tell, see RhythmOn.
const (
	Nightly  Rhythm = "nightly"   // daily, between 20:00 and 06:00 UTC only
	Weekly   Rhythm = "weekly"    // on one day of the week
	MonthEnd Rhythm = "month-end" // around the turn of months only
	Monthly  Rhythm = "monthly"   // once a month, on about the same day
)

// RhythmOn classes what was seen on days (UTC, since 1 January 1970, ascending) in
// hours of the day (bit h for hour h) between since and until. It knows what
// RhythmOf cannot: weekly, month-end and monthly need three weeks, or two turns of
// a month, to be told from chance; s says how much was seen on those days.
func RhythmOn(s *EdgeStats, days []uint32, hours uint32, since, until Time) Rhythm {
	const night = 0xf0003f // hours 20 to 23 and 0 to 5
	switch r := RhythmOf(s, since, until); {
	case r == Daily && hours&^night == 0:
		return Nightly
	case r != Occasional && r != Once || len(days) < 2:
		return r
	case sameWeekday(days):
		return Weekly
	case turnsOfMonths(days) >= 2:
		return MonthEnd
	case sameDayOfMonth(days):
		return Monthly
	default:
		return r
	}
}

// sameWeekday reports days that lie whole weeks apart, at least three of them in
// at most twice as many weeks.
func sameWeekday(days []uint32) bool {
	for _, d := range days[1:] {
		if (d-days[0])%7 != 0 {
			return false
		}
	}
	weeks := (days[len(days)-1]-days[0])/7 + 1
	return len(days) >= 3 && weeks <= 2*uint32(len(days))
}

// turnsOfMonths counts the turns of a month that days lie at: the last three days
// of one and the first four of the next; 0 when one lies elsewhere.
func turnsOfMonths(days []uint32) int {
	turns := map[int]bool{}
	for _, d := range days {
		t := time.Unix(int64(d)*86400, 0).UTC()
		switch next := t.AddDate(0, 0, 3); {
		case t.Day() <= 4:
			turns[12*t.Year()+int(t.Month())] = true
		case next.Month() != t.Month():
			turns[12*next.Year()+int(next.Month())] = true
		default:
			return 0
		}
	}
	return len(turns)
}

// sameDayOfMonth reports at least two days of different months, at least every
// other month, each within three days of the first one's day of the month: a
// weekend moves what is due.
func sameDayOfMonth(days []uint32) bool {
	first := time.Unix(int64(days[0])*86400, 0).UTC()
	month := 12*first.Year() + int(first.Month())
	begin := month
	for _, d := range days[1:] {
		t := time.Unix(int64(d)*86400, 0).UTC()
		m := 12*t.Year() + int(t.Month())
		if m == month || t.Day() < first.Day()-3 || t.Day() > first.Day()+3 {
			return false
		}
		month = m
	}
	return month-begin+1 <= 2*len(days)
}
