package scenario

import (
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// schedule says when a link's flows happen. Weights are relative, per hour UTC.
type schedule struct {
	runs     func(e *Estate, f *FlowSpec, day int) bool // nil: every day
	hours    [24]int
	periodic bool // at fixed minutes rather than at random ones
	rare     bool // may not happen at all in the window
}

// schedules by the name flow lines use.
var schedules = map[string]*schedule{
	"":          {hours: evenly(0, 24)},
	"steady":    {hours: evenly(0, 24)},
	"periodic":  {hours: evenly(0, 24), periodic: true},
	"business":  {hours: [24]int{7: 1, 8: 6, 9: 10, 10: 10, 11: 8, 12: 5, 13: 9, 14: 10, 15: 8, 16: 6, 17: 3, 18: 1}, runs: workday},
	"rare":      {hours: [24]int{8: 2, 9: 3, 10: 3, 11: 3, 13: 3, 14: 3, 15: 3, 16: 2}, runs: workday, rare: true},
	"trading":   {hours: [24]int{8: 2, 9: 4, 10: 6, 11: 8, 12: 9, 13: 7, 14: 6, 15: 7, 16: 9, 17: 10, 18: 9, 19: 6, 20: 3}},
	"online":    {hours: [24]int{3, 2, 1, 1, 1, 1, 2, 3, 5, 6, 7, 7, 8, 7, 6, 6, 7, 8, 9, 10, 10, 9, 7, 5}},
	"nightly":   {hours: evenly(1, 5)},
	"weekly":    {hours: evenly(2, 5), runs: sunday},
	"month-end": {hours: evenly(20, 24), runs: closingDay},
	"once":      {hours: evenly(9, 17), runs: fixedDay},
	"sweep":     {runs: fixedDay},
}

// evenly gives weight 1 to the hours from..to, to exclusive.
func evenly(from, to int) (h [24]int) {
	for i := from; i < to; i++ {
		h[i] = 1
	}
	return h
}

func workday(e *Estate, _ *FlowSpec, day int) bool {
	wd := e.weekday(day)
	return wd != time.Saturday && wd != time.Sunday
}

func sunday(e *Estate, _ *FlowSpec, day int) bool { return e.weekday(day) == time.Sunday }

// closingDay reports the days on which a month is closed. The chain keeps a 4-4-5
// calendar, whose months end on Saturdays: the last Saturday of the window and
// every fourth before; the last day where there is none.
func closingDay(e *Estate, _ *FlowSpec, day int) bool {
	last := e.opts.Days - 1
	for d := last; d >= 0 && d > last-7; d-- {
		if e.weekday(d) == time.Saturday {
			last = d
			break
		}
	}
	return day <= last && (last-day)%28 == 0
}

// fixedDay reports the one day the flow line names.
func fixedDay(e *Estate, f *FlowSpec, day int) bool {
	if f.Day < 0 {
		return day == max(0, e.opts.Days+f.Day)
	}
	return day == min(f.Day, e.opts.Days-1)
}

func (e *Estate) weekday(day int) time.Weekday { return e.opts.Start.AddDate(0, 0, day).Weekday() }

// factor is how busy a day is for a line, as a multiple of its rate.
func (s *schedule) factor(e *Estate, f *FlowSpec, day int) float64 {
	if s.runs != nil && !s.runs(e, f, day) {
		return 0
	}
	return 1
}

// counts returns how many flows the link has on each day of the window, in out.
// The running total follows the rate, with a phase of the link's own; a link whose
// line runs at all in the window runs at least once, unless it is rare.
func (e *Estate) counts(l int32, out []int) []int {
	k := &e.links[l]
	ln := &e.lines[k.line]
	r := derive(e.opts.Seed, tagLink, uint64(l))
	rate := ln.Rate * e.opts.Rate
	phase := r.float()
	if total := float64(rate * ln.total); total > 0 && total+phase < 1 && !ln.schedule.rare {
		phase = 1 - total + 1e-9
	}
	sum, before := 0.0, 0
	out = out[:0]
	for day := range e.opts.Days {
		sum += float64(rate * ln.factors[day]) // not fused with the sum: the same on every machine
		after := int(sum + phase)
		out = append(out, after-before)
		before = after
	}
	return out
}

// moment returns when flow number i of n on the day begins, to the microsecond
// as captures have it, and the generator of the flow's own shape.
func (e *Estate) moment(l int32, day, i, n int) (flow.Time, rng) {
	t, r := e.instant(l, day, i, n)
	return t - t%flow.Time(time.Microsecond), r
}

func (e *Estate) instant(l int32, day, i, n int) (flow.Time, rng) {
	k := &e.links[l]
	s := e.lines[k.line].schedule
	r := derive(e.opts.Seed, tagFlow, uint64(l), uint64(day), uint64(i))
	midnight := e.start.Add(time.Duration(day) * 24 * time.Hour)
	if e.lines[k.line].Scan {
		const firstProbe, gap = 2 * time.Hour, 20 * time.Millisecond
		return midnight.Add(firstProbe + time.Duration(k.order%2_000_000)*gap), r
	}
	if s.periodic {
		link := derive(e.opts.Seed, tagLink, uint64(l))
		period := 24 * time.Hour / time.Duration(max(n, 1))
		jitter := time.Duration(r.below(int(time.Second)))
		return midnight.Add(time.Duration(i)*period + time.Duration(link.below(int(period-time.Second))) + jitter), r
	}
	return midnight.Add(s.draw(&r)), r
}

// draw returns a time of day.
func (s *schedule) draw(r *rng) time.Duration {
	total := 0
	for _, w := range s.hours {
		total += w
	}
	n := r.below(total)
	for h, w := range s.hours {
		if n < w {
			return time.Duration(h)*time.Hour + time.Duration(r.below(int(time.Hour)))
		}
		n -= w
	}
	return 0
}
