package stitch

import (
	"time"

	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/flow"
)

// Options configure a Stitcher. The zero value is usable.
type Options struct {
	// MaxFlows bounds the table, about 280 bytes each; 0 means 131,072.
	MaxFlows int
	// Wait is how long a half waits for the other direction; 0 means 60 s.
	Wait time.Duration
	// Gap is the silence after which the same tuple is another flow; 0 means 5 min.
	Gap time.Duration
	// Skew is how far the clocks of two exporters may be apart; records of one
	// flow that are no further apart are the same traffic. 0 means 2 s.
	Skew time.Duration
	// HoldWeak is how many records whose direction is a guess are held back, and
	// decided again with what was learned meanwhile; 0 means 16,384.
	HoldWeak int
	// HoldFor is how long they are held at most; 0 means as long as Wait. A file's
	// reader does best to hold them to the end.
	HoldFor time.Duration
	// ScopeVLAN and ScopeVNI give each VLAN or VNI an address space of its own; for
	// networks that overlap.
	ScopeVLAN, ScopeVNI bool
	// Budget is how many refused or unanswered flows one client gets records of its
	// own for in a minute; what is beyond folds. 0 means fold.DefaultBudget.
	Budget int
	// KeepDuplicates counts every record, even the same flow from two exporters.
	KeepDuplicates bool
	// Learner decides directions; nil means one of its own.
	Learner *direction.Learner
	// Seed keys the hash table, so that traffic cannot be made to collide.
	Seed uint64
}

func (o *Options) defaults() {
	if o.MaxFlows <= 0 {
		o.MaxFlows = 1 << 17
	}
	if o.Wait <= 0 {
		o.Wait = time.Minute
	}
	if o.Gap <= 0 {
		o.Gap = 5 * time.Minute
	}
	if o.Skew <= 0 {
		o.Skew = 2 * time.Second
	}
	if o.HoldFor <= 0 {
		o.HoldFor = o.Wait
	}
	if o.HoldWeak <= 0 {
		o.HoldWeak = 1 << 14
	}
	if o.Learner == nil {
		o.Learner = direction.New(direction.Options{Seed: o.Seed})
	}
}

// Source says where a row came from.
type Source struct {
	Exporter uint32 // what Exporter returned
	Domain   uint32 // observation domain, source id or engine
	Kind     flow.Source
	Scope    flow.Scope
	ScopeBy  ScopeBy
}

// ScopeBy says what separates the address spaces of an exporter whose networks
// overlap.
type ScopeBy uint8

// Ways to separate address spaces. Each numbers its spaces apart from the others,
// and from the numbers an operator gives (1 to 4,095).
const (
	ScopeByOptions ScopeBy = iota // as Options.ScopeVLAN and ScopeVNI say
	ScopeByVLAN                   // VLAN << 12, as packets have it
	ScopeByVNI                    // VNI | 1 << 31
	ScopeByVRF                    // VRF | 1 << 29; VRF 0 is the common space
	ScopeByDomain                 // observation domain | 1 << 30
	ScopeFixed                    // Source.Scope
)

// Stats says what became of rows. Rows = Duplicates + Reported + those waiting;
// Records that are held back, or that others fold into, count when they are let go.
type Stats struct {
	Rows       uint64 // added
	Duplicates uint64 // already counted from another observation point
	Reported   uint64 // that went into records
	Records    uint64 // records made
	Sightings  uint64 // of Records: those that only name a further exporter
	Evicted    uint64 // flows reported early because the table was full
	Folded     uint64 // refused or unanswered flows without a record of their own
	Flows      int    // in the table now
}
