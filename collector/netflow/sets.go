package netflow

import (
	"encoding/binary"
	"fmt"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// sets walks the sets of a v9 or IPFIX message, which begin before limit; some
// exporters state a message a few bytes shorter than its last set. It returns the
// data records seen and whether that is all of them: a set without a template
// hides its number.
func (d *Decoder) sets(x *exporter, m *domain, c *plan.Context, b []byte, limit int) (records uint32, known bool) {
	known = true
	for end := len(b) - limit; len(b) >= 4 && len(b) > end; {
		id, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if id == 0 && length == 0 {
			return records, known // padding to the end of the datagram
		}
		x.stats.Sets++
		if length < 4 {
			x.stats.dropSet(flow.DropMalformed, fmt.Errorf("set %d: length %d", id, length))
			return records, false
		}
		if length > len(b) {
			x.stats.dropSet(flow.DropTruncated, fmt.Errorf("set %d: length %d in %d bytes", id, length, len(b)))
			return records, false
		}
		n, ok := d.set(x, m, c, id, b[4:length])
		records += n
		known = known && ok
		b = b[length:]
	}
	return records, known
}

// Set identifiers (RFC 3954 §5.2, §6.1; RFC 7011 §3.3.2).
const (
	v9Templates    = 0
	v9Options      = 1
	ipfixTemplates = 2
	ipfixOptions   = 3
	firstData      = 256
)

func (d *Decoder) set(x *exporter, m *domain, c *plan.Context, id uint16, body []byte) (records uint32, known bool) {
	switch {
	case id >= firstData:
		return d.dataSet(x, m, c, id, body)
	case m.version == 9 && id == v9Templates, m.version == 10 && id == ipfixTemplates:
		x.stats.TemplateSets++
		d.templateSet(x, m, false, body)
	case m.version == 9 && id == v9Options, m.version == 10 && id == ipfixOptions:
		x.stats.TemplateSets++
		d.templateSet(x, m, true, body)
	default:
		x.stats.dropSet(flow.DropMalformed, fmt.Errorf("set %d: reserved id", id))
	}
	return 0, true
}

func (d *Decoder) dataSet(x *exporter, m *domain, c *plan.Context, id uint16, body []byte) (records uint32, known bool) {
	t := d.template(x, m, id)
	if t == nil {
		x.stats.dropSet(flow.DropNoTemplate, nil)
		return 0, false
	}
	x.stats.DataSets++
	if t.options {
		n := t.plan.Count(body)
		d.optionsData(x, m, t, body)
		c.Boot = m.boot // what was just learned counts for the sets that follow
		x.noFlow(n)
		return uint32(n), true
	}
	if !t.plan.Flow() {
		n := t.plan.Count(body)
		x.noFlow(n)
		return uint32(n), true
	}
	for {
		rows, rest := t.plan.Decode(body, c, d.rows[:0])
		if len(rows) == 0 {
			return records, true
		}
		d.take(x, m, c, rows)
		records += uint32(len(rows))
		body = body[len(body)-rest:]
	}
}

func (x *exporter) noFlow(n int) {
	x.stats.Rows += uint64(n)
	x.stats.RowDrops.Add(flow.DropNoFlow, uint64(n))
}

// take gives decoded rows to the stitcher.
func (d *Decoder) take(x *exporter, m *domain, c *plan.Context, rows []plan.Row) {
	x.stats.Rows += uint64(len(rows))
	kept := 0
	for i := range rows {
		r := &rows[i]
		if why := d.reject(r); why != flow.DropNone {
			x.stats.RowDrops.Add(why, 1)
			continue
		}
		if r.Last == 0 { // no clock at all: the time of export is the best there is
			r.First, r.Last = c.Export, c.Export
		}
		if r.Last < r.First {
			r.Last = r.First
		}
		r.First, r.Last = r.First+m.shift, r.Last+m.shift
		if d.observe != nil {
			d.observe(m, r)
		}
		r.Sampling = m.rate(x, r, d.o.Sampling)
		if r.Initiator == plan.InitiatorUnknown {
			r.Initiator = x.settings.Initiator
		}
		if kept != i {
			rows[kept] = *r
		}
		kept++
	}
	if kept == 0 {
		return
	}
	x.stats.Sampling = rows[kept-1].Sampling
	x.stats.Flows += uint64(kept)
	d.stitcher.Add(&m.source, rows[:kept], d.now)
}

// reject says why a row is not wanted: it names no ends, is a firewall's report of
// something other than a connection, or lies in a network to ignore.
func (d *Decoder) reject(r *plan.Row) flow.DropReason {
	switch {
	case r.Src.Unspecified() && r.Dst.Unspecified():
		return flow.DropNoFlow
	case r.Event == plan.EventAlert:
		return flow.DropNoFlow
	case len(d.o.Ignore) > 0 && d.ignored(r):
		return flow.DropIgnored
	}
	return flow.DropNone
}

func (d *Decoder) ignored(r *plan.Row) bool {
	src, dst := r.Src.Std(), r.Dst.Std()
	for _, p := range d.o.Ignore {
		if p.Contains(src) || p.Contains(dst) {
			return true
		}
	}
	return false
}
