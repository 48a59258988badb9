package collector

import (
	"errors"
	"math/rand/v2"
	"net/netip"

	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/collector/names"
	"github.com/bulkhead/bulkhead/flow"
)

// pipeline is the stages from a frame on. It is not safe for concurrent use.
type pipeline struct {
	walker   capture.Walker
	batch    [assemble.BatchSize]capture.Packet
	filled   int
	table    *assemble.Table
	observer *names.Observer
	exports  *exports // nil: not looked for
	ports    portSet
	ignore   []netip.Prefix
	inner    bool // tunnels' own flows are not wanted
	stats    Stats
}

func newPipeline(o Options, sink Sink) *pipeline {
	o.Assemble.Sensor = o.Sensor
	if o.Names.Sensor == "" {
		o.Names.Sensor = o.Sensor
	}
	o.Names.ScopeVLAN, o.Names.ScopeVNI = o.Assemble.ScopeVLAN, o.Assemble.ScopeVNI
	if o.Assemble.Seed == 0 {
		o.Assemble.Seed = rand.Uint64()
	}
	if o.Assemble.Learner == nil {
		o.Assemble.Learner = direction.New(direction.Options{Overrides: o.Direction})
	}
	// What holds for packets holds for exported flows.
	o.NetFlow.Ignore = o.Ignore
	o.NetFlow.Stitch.ScopeVLAN, o.NetFlow.Stitch.ScopeVNI = o.Assemble.ScopeVLAN, o.Assemble.ScopeVNI
	if o.NetFlow.Stitch.Learner == nil {
		o.NetFlow.Stitch.Learner = o.Assemble.Learner // what packets teach holds for exports, and the other way round
	}
	p := &pipeline{
		table:  assemble.New(o.Assemble, sink.Records),
		ignore: o.Ignore,
		ports:  portsOf(o.ExportPorts),
	}
	if !o.WithoutExports {
		p.exports = &exports{o: o.NetFlow, sink: sink}
	}
	if !o.WithoutNames {
		p.observer = names.New(o.Names, sink.Names)
	}
	return p
}

// frame walks one frame and gathers its packet. f's data must stay as it is until
// the next drain. An error is the sink's.
func (c *pipeline) frame(f *capture.Frame) error {
	s, p := &c.stats, &c.batch[c.filled]
	s.Frames++
	s.Bytes += uint64(f.Length)
	s.Last = max(s.Last, f.Time)
	if s.First == 0 || f.Time < s.First {
		s.First = f.Time
	}
	if why := c.walker.Walk(f, p); why != flow.DropNone {
		s.Walk.Add(why, 1)
		return nil
	}
	if p.Proto == flow.UDP && c.exports != nil && c.ports.has(p.DstPort) && isExport(p) {
		s.Exports++
		return c.exports.datagram(p)
	}
	if len(c.ignore) > 0 && c.ignored(p) {
		s.Walk.Add(flow.DropIgnored, 1)
		return nil
	}
	s.Walked++
	c.keep()
	if outer := c.walker.Outer(p); outer != nil && !c.inner {
		s.Outer++
		c.batch[c.filled] = *outer
		c.keep()
	}
	return nil
}

// keep takes the packet that was just put at the end into the batch.
func (c *pipeline) keep() {
	if c.filled++; c.filled == len(c.batch) {
		c.drain()
	}
}

// drain takes the gathered packets through the other stages.
func (c *pipeline) drain() {
	var nth [assemble.BatchSize]uint32
	ps := c.batch[:c.filled]
	c.filled = 0
	c.table.Batch(ps, &nth)
	if c.observer == nil {
		return
	}
	for i := range ps {
		if nth[i] != 0 {
			c.observer.Packet(&ps[i], nth[i])
		}
	}
}

func (c *pipeline) ignored(p *capture.Packet) bool {
	src, dst := p.Src.Netip(), p.Dst.Netip()
	for _, n := range c.ignore {
		if n.Contains(src) || n.Contains(dst) {
			return true
		}
	}
	return false
}

// tick lets time pass when packets may not come, and hands on what is due.
func (c *pipeline) tick(now flow.Time) {
	c.drain()
	c.table.Advance(now)
	if c.observer != nil {
		c.observer.Advance(now)
	}
}

// err is the first error of the sink, which the stages keep.
func (c *pipeline) err() error { return c.table.Err() }

// flush hands on everything that is still held, but for flow exports, which
// pipelines may share.
func (c *pipeline) flush() error {
	c.drain()
	err := c.table.Flush()
	defer c.table.Close()
	if c.observer != nil {
		err = errors.Join(err, c.observer.Flush())
	}
	return err
}

// snapshot brings the counters of all stages together, but for flow exports.
func (c *pipeline) snapshot() Stats {
	s := c.stats
	s.Truncated = c.walker.TruncatedPayload
	s.Assemble = c.table.Stats()
	if c.observer != nil {
		s.Names = c.observer.Stats()
	}
	return s
}
