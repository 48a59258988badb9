package httpapi

import "github.com/bulkhead/bulkhead/flow"

// Status is what the status page shows. Counters are since the program started
// unless they say otherwise.
type Status struct {
	Version string    `json:"version"`
	Started flow.Time `json:"started"`
	Ready   bool      `json:"ready"`
	Problem string    `json:"problem,omitempty"` // why not ready, in words
	Store   string    `json:"store"`             // which ClickHouse, in words
	First   flow.Time `json:"first"`             // of recorded traffic; 0 when none
	Last    flow.Time `json:"last"`
	Rows    uint64    `json:"rows"` // flow records stored
	Stages  []Stage   `json:"stages"`
	Jobs    []Job     `json:"jobs"` // running and recently ended, newest first
	// Auth says whether this server asks for a login; set by httpapi.
	Auth bool `json:"auth"`
}

// Stage is one place that takes things in and passes them on: received =
// passed + deduplicated + Σ drops, always.
type Stage struct {
	Name         string `json:"name"`   // "capture", "netflow", "assemble", "writer"
	Sensor       string `json:"sensor"` // "" when there is one only
	Unit         string `json:"unit"`   // "packets", "datagrams", "records"
	Received     uint64 `json:"received"`
	Passed       uint64 `json:"passed"`
	Waiting      uint64 `json:"waiting"` // of Passed: still held, not yet with the next stage or the store
	Deduplicated uint64 `json:"deduplicated"`
	Drops        []Drop `json:"drops"`
}

// Drop is a count under a typed reason.
type Drop struct {
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

// DropsOf converts counters for the wire.
func DropsOf(d *flow.Drops) []Drop {
	out := []Drop{}
	d.Each(func(r flow.DropReason, n uint64) { out = append(out, Drop{r.String(), n}) })
	return out
}

// Job is long work: an import, a map being built.
type Job struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"` // "running", "done", "failed"
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"` // 0 when not known
	Unit  string `json:"unit"`  // "bytes", "records"
	Error string `json:"error,omitempty"`
}
