package netflow

import (
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/collector/netflow/stitch"
	"github.com/bulkhead/bulkhead/flow"
)

// Counts are the counters of an exporter, or of all together. They hold:
//
//	Datagrams = Decoded + DatagramDrops
//	Sets      = template and options template sets + data sets + SetDrops
//	Rows      = RowDrops + rows given to the stitcher
type Counts struct {
	Datagrams     uint64
	Bytes         uint64 // of payload
	Decoded       uint64 // datagrams whose header was understood
	DatagramDrops flow.Drops
	Sets          uint64
	TemplateSets  uint64
	DataSets      uint64
	SetDrops      flow.Drops
	Rows          uint64 // data records, sFlow samples
	RowDrops      flow.Drops
	Flows         uint64 // rows given to the stitcher

	// Templates: refused ones are in TemplateDrops.
	TemplatesLearned, TemplatesRefreshed, TemplatesReplaced uint64
	TemplatesWithdrawn, TemplatesExpired, TemplatesEvicted  uint64
	TemplateDrops                                           flow.Drops

	Restarts uint64 // times an exporter was seen to restart
	Shifted  uint64 // datagrams whose times were put right

	// Lost on the way, as sequence numbers tell, in what each protocol counts; and
	// what came late, out of order.
	LostFlows     uint64 // v5
	LostPackets   uint64 // v9: datagrams
	LostRecords   uint64 // IPFIX
	LostDatagrams uint64 // sFlow
	Overtaken     uint64
}

// ExporterStats are the counters of one exporter.
type ExporterStats struct {
	Exporter  netip.AddrPort // port 0 unless exporters are told apart by port
	Name      string
	Sampling  uint32 // 1-in-N last applied; 0 or 1: unsampled or unknown
	Templates int
	Domains   int
	FirstSeen flow.Time
	LastSeen  flow.Time
	// Skew is the exporter's clock less the collector's, by the last header.
	Skew      flow.Time
	LastError string
	Counts
}

// Stats are the counters of a Decoder: Counts over all exporters, past ones too.
type Stats struct {
	Counts
	Stitch    stitch.Stats
	Exporters []ExporterStats // by address
	Unknown   []Unknown       // not on the allow-list, by address
}

func (s *ExporterStats) refuse(why flow.DropReason, err error) {
	s.TemplateDrops.Add(why, 1)
	s.LastError = err.Error()
}

func (s *ExporterStats) dropSet(why flow.DropReason, err error) {
	s.SetDrops.Add(why, 1)
	if err != nil {
		s.LastError = err.Error()
	}
}

// add merges an exporter's counters.
func (c *Counts) add(s *ExporterStats) {
	o := &s.Counts
	c.Datagrams += o.Datagrams
	c.Bytes += o.Bytes
	c.Decoded += o.Decoded
	c.Sets += o.Sets
	c.TemplateSets += o.TemplateSets
	c.DataSets += o.DataSets
	c.Rows += o.Rows
	c.Flows += o.Flows
	c.DatagramDrops.Merge(&o.DatagramDrops)
	c.SetDrops.Merge(&o.SetDrops)
	c.RowDrops.Merge(&o.RowDrops)
	c.TemplateDrops.Merge(&o.TemplateDrops)
	c.TemplatesLearned += o.TemplatesLearned
	c.TemplatesRefreshed += o.TemplatesRefreshed
	c.TemplatesReplaced += o.TemplatesReplaced
	c.TemplatesWithdrawn += o.TemplatesWithdrawn
	c.TemplatesExpired += o.TemplatesExpired
	c.TemplatesEvicted += o.TemplatesEvicted
	c.Restarts += o.Restarts
	c.Shifted += o.Shifted
	c.LostFlows += o.LostFlows
	c.LostPackets += o.LostPackets
	c.LostRecords += o.LostRecords
	c.LostDatagrams += o.LostDatagrams
	c.Overtaken += o.Overtaken
}

// Drops is everything that was dropped, datagrams, sets, rows and templates
// together, duplicates included: what a status line shows.
func (s *Stats) Drops() flow.Drops {
	var all flow.Drops
	for _, d := range []*flow.Drops{&s.DatagramDrops, &s.SetDrops, &s.RowDrops, &s.TemplateDrops} {
		all.Merge(d)
	}
	all.Add(flow.DropDuplicate, s.Stitch.Duplicates)
	return all
}

// Stats returns a copy of all counters. It may be called at any time.
func (d *Decoder) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Stats{Counts: d.gone, Stitch: d.stitcher.Stats(), Unknown: d.unknown.sorted()}
	for _, x := range d.exporters {
		e := x.stats
		e.Templates, e.Domains = x.templates, len(x.domains)
		s.Exporters = append(s.Exporters, e)
		s.Counts.add(&e)
	}
	slices.SortFunc(s.Exporters, func(a, b ExporterStats) int { return a.Exporter.Compare(b.Exporter) })
	return s
}
