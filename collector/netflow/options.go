package netflow

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/collector/netflow/stitch"
	"github.com/bulkhead/bulkhead/flow"
)

// Sink takes finished records. The slice is reused after the call returns.
type Sink interface {
	Records([]flow.Record) error
}

// Options configure a Decoder. The zero value is usable.
type Options struct {
	// Exporters are what the operator knows about exporters; the longest matching
	// prefix counts.
	Exporters []Exporter
	// Sampling is the 1-in-N of exporters that do not say theirs; 0: unsampled.
	Sampling uint32
	// OnlyListed drops what comes from exporters not in Exporters, until Admit.
	OnlyListed bool
	// Ignore are networks whose flows are dropped, and counted, when either end is
	// in them.
	Ignore []netip.Prefix
	// MaxSkew is how far an exporter's clock may be off before its times are put
	// right by the collector's; 0 means that they are always believed, as is best
	// for captures of long ago.
	MaxSkew time.Duration
	// ByPort tells exporters apart by source port too, for several behind one NAT.
	ByPort bool
	// MaxExporters bounds the exporters remembered; 0 means 1,024. A new one is
	// refused while all are active.
	MaxExporters int
	// MaxDomains bounds the observation domains of one exporter; 0 means 256.
	MaxDomains int
	// Templates bounds what one exporter's templates may cost.
	Templates TemplateLimits
	// Stitch configures how halves become biflows.
	Stitch stitch.Options
	// Batch is how many records are gathered before the sink is called; 0 means 4,096.
	Batch int
}

// Exporter is what the operator says about the exporters of a prefix.
type Exporter struct {
	Prefix netip.Prefix
	Name   string // Record.Sensor; empty: the address
	// Sampling is 1-in-N and overrules what the exporter says; 0: believe it.
	Sampling uint32
	// Scope puts the exporter's addresses in a space of their own; ScopeBy in one
	// for each VLAN, virtual network, VRF or domain. With stitch.ScopeFixed, Scope
	// counts even where Options.Stitch separates VLANs.
	Scope   flow.Scope
	ScopeBy stitch.ScopeBy
	// Initiator says which end of its records always opened the connection, where
	// a record does not say itself.
	Initiator plan.Initiator
}

// TemplateLimits bound the templates of one exporter, over all its domains.
type TemplateLimits struct {
	Templates int           // 0 means 4,096; the least recently used goes first
	Fields    int           // of one template; 0 means 512, which is also the most
	Bytes     int           // of all templates, as received; 0 means 1 MiB
	Lifetime  time.Duration // without refresh or use; 0 means 90 min (RFC 7011 §8.4)
}

func (o *Options) defaults() {
	if o.MaxExporters <= 0 {
		o.MaxExporters = 1024
	}
	if o.MaxDomains <= 0 {
		o.MaxDomains = 256
	}
	if o.Batch <= 0 {
		o.Batch = 4096
	}
	if o.Stitch.Seed == 0 {
		o.Stitch.Seed = rand.Uint64() // keys hash tables only: records do not depend on it
	}
	t := &o.Templates
	if t.Templates <= 0 {
		t.Templates = 4096
	}
	if t.Fields <= 0 || t.Fields > 512 {
		t.Fields = 512
	}
	if t.Bytes <= 0 {
		t.Bytes = 1 << 20
	}
	if t.Lifetime <= 0 {
		t.Lifetime = 90 * time.Minute
	}
}
