package scenario

import (
	"fmt"
	"time"
)

// DefaultStart is a Monday. Estates without a Start begin then, so that output
// does not depend on the clock.
var DefaultStart = time.Date(2026, time.October, 26, 0, 0, 0, 0, time.UTC)

// Bounds of what Generate accepts.
const (
	DefaultWorkloads = 300
	MinWorkloads     = 200
	MaxWorkloads     = 100_000
	DefaultDays      = 8
	MaxDays          = 366
)

// Options say which estate to generate. The zero value is the default estate.
type Options struct {
	Seed      uint64
	Workloads int       // how many, exactly; 0 means DefaultWorkloads
	Days      int       // of traffic; 0 means DefaultDays
	Start     time.Time // midnight UTC of the first day; zero means DefaultStart
	Rate      float64   // multiplies the number of flows; 0 means 1
	Noise     Noise
	Spec      *Spec // nil means the retail chain
}

// Noise is what real networks do to a neat estate. The zero value is the estate
// as the scenario file describes it.
type Noise struct {
	NoNames     bool    // no name is seen on the wire and host names say nothing
	MissingDays int     // that many days in the middle were not captured
	OneWay      float64 // share of links of which the tap sees one direction only, 0..1
	NAT         bool    // office clients appear behind a pool of translated addresses
	Renumber    bool    // addresses and server ports are drawn at random: subnets and ports say nothing
	NoScanners  bool    // neither the security scanner nor the rogue scan runs
}

func (o Options) withDefaults() (Options, error) {
	if o.Workloads == 0 {
		o.Workloads = DefaultWorkloads
	}
	if o.Days == 0 {
		o.Days = DefaultDays
	}
	if o.Start.IsZero() {
		o.Start = DefaultStart
	}
	if o.Rate == 0 {
		o.Rate = 1
	}
	o.Start = o.Start.UTC().Truncate(24 * time.Hour)
	switch {
	case o.Workloads < MinWorkloads || o.Workloads > MaxWorkloads:
		return o, fmt.Errorf("scenario: %d workloads, want %d to %d", o.Workloads, MinWorkloads, MaxWorkloads)
	case o.Days < 1 || o.Days > MaxDays:
		return o, fmt.Errorf("scenario: %d days, want 1 to %d", o.Days, MaxDays)
	case o.Rate < 0:
		return o, fmt.Errorf("scenario: rate %g is negative", o.Rate)
	case o.Noise.MissingDays < 0 || o.Noise.MissingDays >= o.Days:
		return o, fmt.Errorf("scenario: %d of %d days missing", o.Noise.MissingDays, o.Days)
	case o.Noise.OneWay < 0 || o.Noise.OneWay > 1:
		return o, fmt.Errorf("scenario: one-way share %g, want 0 to 1", o.Noise.OneWay)
	}
	if o.Spec != nil {
		return o, nil
	}
	spec, err := Retail()
	o.Spec = spec
	return o, err
}
