package httpapi

import (
	"maps"
	"slices"
	"sync"
)

// Counters count the requests that the API answered, and what became of them. The
// zero value is ready; safe for concurrent use.
type Counters struct {
	mu       sync.Mutex
	received uint64
	passed   uint64
	failed   map[Code]uint64
}

// answered counts a request that got what it asked for.
func (c *Counters) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received++
	c.passed++
}

// refused counts a request that got a problem document.
func (c *Counters) refused(code Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received++
	if c.failed == nil {
		c.failed = map[Code]uint64{}
	}
	c.failed[code]++
}

// Stage gives the counters in the form of every other place that takes things in:
// received = passed + Σ drops by code. Codes are ours, so that no client chooses a
// label.
func (c *Counters) Stage() Stage {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := Stage{Name: "api", Unit: "requests", Received: c.received, Passed: c.passed, Drops: []Drop{}}
	for _, code := range slices.Sorted(maps.Keys(c.failed)) {
		out.Drops = append(out.Drops, Drop{string(code), c.failed[code]})
	}
	return out
}
