package watch

import (
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// limiter lets one event per edge through at once and folds what follows within
// the interval into one more that says how many it stands for. It is not safe for
// concurrent use.
type limiter struct {
	interval time.Duration
	capacity int // edges remembered
	edges    map[edge]*window
	order    []edge // oldest window first
	overflow uint64 // events not reported: more edges than capacity
}

// edge is what a rate limit is for.
type edge struct {
	client, server flow.Party
	service        flow.Service
	report         string
}

type window struct {
	ends   flow.Time
	folded uint64
	last   policy.Violation
}

func newLimiter(interval time.Duration, capacity int) *limiter {
	return &limiter{interval: interval, capacity: capacity, edges: map[edge]*window{}}
}

// add takes an event; true when it is to be reported now.
func (l *limiter) add(report string, v policy.Violation) bool {
	key := edge{v.Client, v.Server, v.Service, report}
	if w := l.edges[key]; w != nil {
		w.folded++
		w.last = v
		return false
	}
	if len(l.edges) >= l.capacity {
		l.overflow++
		return false
	}
	l.edges[key] = &window{ends: v.Time + flow.Time(l.interval), last: v}
	l.order = append(l.order, key)
	return true
}

// expire closes the windows that end by now and appends a summary for each that
// folded events.
func (l *limiter) expire(now flow.Time, to []policy.Violation) []policy.Violation {
	for len(l.order) > 0 {
		key := l.order[0]
		w := l.edges[key]
		if w.ends > now {
			break
		}
		l.order = l.order[1:]
		if w.folded == 0 {
			delete(l.edges, key)
			continue
		}
		w.last.Suppressed = w.folded - 1 // the summary stands for one itself
		to = append(to, w.last)
		w.folded, w.ends = 0, now+flow.Time(l.interval)
		l.order = append(l.order, key)
	}
	return to
}

// drain closes all windows.
func (l *limiter) drain(to []policy.Violation) []policy.Violation {
	for _, key := range l.order {
		if w := l.edges[key]; w.folded > 0 {
			w.last.Suppressed = w.folded - 1
			to = append(to, w.last)
		}
	}
	l.edges, l.order = map[edge]*window{}, nil
	return to
}
