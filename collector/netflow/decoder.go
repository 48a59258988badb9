package netflow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/collector/netflow/stitch"
	"github.com/bulkhead/bulkhead/flow"
)

// Header sizes.
const (
	v9HeaderSize    = 20
	ipfixHeaderSize = 16
)

// Decoder turns datagrams into records. It is safe for concurrent use; datagrams
// of one exporter should come in the order they were received.
type Decoder struct {
	mu        sync.Mutex
	o         Options
	sink      Sink
	exporters map[netip.AddrPort]*exporter
	admitted  []Exporter // by Admit, besides Options.Exporters
	unknown   unknowns
	gone      Counts // of exporters forgotten, and of datagrams that have none
	stitcher  *stitch.Stitcher
	walker    capture.Walker
	rows      []plan.Row
	observe   func(*domain, *plan.Row) // tests look at rows before they are stitched
	now       flow.Time                // latest time seen; never goes back
	vacant    []uint32                 // places of forgotten exporters in the stitcher
	fullUntil flow.Time                // no exporter can be forgotten before
	expired   flow.Time                // when the stitcher last looked for halves to give up on
}

// rowsAtOnce bounds the rows decoded before they are stitched; a datagram of 1,500
// bytes has about thirty.
const rowsAtOnce = 256

// NewDecoder returns a Decoder that gives records to sink.
func NewDecoder(o Options, sink Sink) *Decoder {
	o.defaults()
	return &Decoder{
		o: o, sink: sink,
		exporters: map[netip.AddrPort]*exporter{},
		unknown:   unknowns{},
		stitcher:  stitch.New(o.Stitch),
		rows:      make([]plan.Row, 0, rowsAtOnce),
	}
}

// Datagram takes the payload of one UDP datagram from exporter, received at time
// at. What is wrong with a datagram is counted, not returned: an error comes from
// the sink only. payload is not kept.
func (d *Decoder) Datagram(payload []byte, exporter netip.AddrPort, at flow.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.datagram(payload, exporter, at)
	return d.pass(d.o.Batch)
}

// batch takes the n datagrams a socket has read.
func (d *Decoder) batch(k *socket, n int, at flow.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range n {
		d.datagram(k.payload(i), k.from(i), at)
	}
	return d.pass(d.o.Batch)
}

// Tick lets halves expire at time now and passes on what is finished. Call it
// about once a second when datagrams may stop coming.
func (d *Decoder) Tick(now flow.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.advance(now)
	return d.pass(1)
}

// Flush reports every flow that still waits for its other half, and passes all
// records on. Call it at the end of a capture or before shutdown.
func (d *Decoder) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stitcher.Flush()
	return d.pass(1)
}

// pass gives the sink what is finished, once there are at least n records.
func (d *Decoder) pass(n int) error {
	out := d.stitcher.Out()
	if len(out) < n || len(out) == 0 {
		return nil
	}
	err := d.sink.Records(out)
	d.stitcher.Reset()
	if err != nil {
		return fmt.Errorf("pass on %d flow records: %w", len(out), err)
	}
	return nil
}

// advance moves the clock, and about once a second looks for expired halves.
func (d *Decoder) advance(at flow.Time) {
	d.now = max(d.now, at)
	if d.now-d.expired >= 1e9 {
		d.expired = d.now
		d.stitcher.Expire(d.now)
	}
}

func (d *Decoder) datagram(payload []byte, from netip.AddrPort, at flow.Time) {
	d.advance(at)
	x, why := d.exporterOf(from)
	if x == nil {
		d.gone.Datagrams++
		d.gone.Bytes += uint64(len(payload))
		d.gone.DatagramDrops.Add(why, 1)
		return
	}
	if x.stats.FirstSeen == 0 {
		x.stats.FirstSeen = d.now
	}
	x.stats.LastSeen = d.now
	x.stats.Datagrams++
	x.stats.Bytes += uint64(len(payload))
	why, err := d.guarded(x, payload)
	if why != flow.DropNone {
		x.stats.DatagramDrops.Add(why, 1)
		x.stats.LastError = err.Error()
		return
	}
	x.stats.Decoded++
}

// guarded decodes one datagram; a panic of the decoder, or of the library behind
// it, costs that datagram only.
func (d *Decoder) guarded(x *exporter, payload []byte) (why flow.DropReason, err error) {
	defer func() {
		if p := recover(); p != nil {
			why, err = flow.DropPanic, fmt.Errorf("decode datagram from %s: panic: %v", x.addr.Addr(), p)
		}
	}()
	why, err = d.decode(x, payload)
	if err != nil {
		err = fmt.Errorf("decode datagram from %s: %w", x.addr.Addr(), err)
	}
	return why, err
}

var errShort = errors.New("shorter than its header")

func (d *Decoder) decode(x *exporter, b []byte) (flow.DropReason, error) {
	if len(b) < 4 {
		return flow.DropTruncated, errShort
	}
	switch v := binary.BigEndian.Uint16(b); {
	case v == 5:
		return d.v5(x, b)
	case v == 9:
		return d.v9(x, b)
	case v == 10:
		return d.ipfix(x, b)
	case v == 0 && binary.BigEndian.Uint16(b[2:]) == 5:
		return d.sflow(x, b)
	default:
		return flow.DropVersion, fmt.Errorf("unknown export version %d", v)
	}
}

var errDomains = errors.New("too many observation domains")

func (d *Decoder) v5(x *exporter, b []byte) (flow.DropReason, error) {
	if len(b) < plan.V5HeaderSize {
		return flow.DropTruncated, errShort
	}
	count := int(binary.BigEndian.Uint16(b[2:]))
	if count == 0 || count > plan.V5MaxRecords {
		return flow.DropMalformed, fmt.Errorf("v5 datagram of %d records", count)
	}
	m := d.domainOf(x, 5, uint32(binary.BigEndian.Uint16(b[20:]))) // engine type and id
	if m == nil {
		return flow.DropTemplateCap, errDomains
	}
	c := plan.V5Context(b)
	d.header(x, m, &c)
	x.gap(m, binary.BigEndian.Uint32(b[16:]), uint32(count), &x.stats.LostFlows)
	m.sampling.header = plan.V5Sampling(b)
	rows, _ := plan.V5(b[plan.V5HeaderSize:], count, &c, d.rows[:0])
	x.stats.Sets++
	x.stats.DataSets++
	if missing := count - len(rows); missing > 0 {
		x.stats.Rows += uint64(missing)
		x.stats.RowDrops.Add(flow.DropTruncated, uint64(missing))
	}
	d.take(x, m, &c, rows)
	return flow.DropNone, nil
}

func (d *Decoder) v9(x *exporter, b []byte) (flow.DropReason, error) {
	if len(b) < v9HeaderSize {
		return flow.DropTruncated, errShort
	}
	m := d.domainOf(x, 9, binary.BigEndian.Uint32(b[16:]))
	if m == nil {
		return flow.DropTemplateCap, errDomains
	}
	c := plan.Context{
		Version: 9,
		Uptime:  binary.BigEndian.Uint32(b[4:]),
		Export:  flow.Time(binary.BigEndian.Uint32(b[8:])) * 1e9,
	}
	d.header(x, m, &c)
	x.gap(m, binary.BigEndian.Uint32(b[12:]), 1, &x.stats.LostPackets)
	d.sets(x, m, &c, b[v9HeaderSize:], len(b)-v9HeaderSize)
	return flow.DropNone, nil
}

func (d *Decoder) ipfix(x *exporter, b []byte) (flow.DropReason, error) {
	if len(b) < ipfixHeaderSize {
		return flow.DropTruncated, errShort
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < ipfixHeaderSize {
		return flow.DropMalformed, fmt.Errorf("message length %d", length)
	}
	m := d.domainOf(x, 10, binary.BigEndian.Uint32(b[12:]))
	if m == nil {
		return flow.DropTemplateCap, errDomains
	}
	number := binary.BigEndian.Uint32(b[8:])
	if m.sequence.renumbered(number) {
		x.forget(m)
	}
	c := plan.Context{Version: 10, Export: flow.Time(binary.BigEndian.Uint32(b[4:])) * 1e9, Boot: m.boot}
	x.skew(m, &c, d.now, d.o.MaxSkew)
	records, known := d.sets(x, m, &c, b[ipfixHeaderSize:], min(length, len(b))-ipfixHeaderSize)
	x.gap(m, number, records, &x.stats.LostRecords)
	if !known || length > len(b) {
		m.sequence.unsure()
	}
	return flow.DropNone, nil
}

// header takes the exporter's clocks from a v5 or v9 header.
func (d *Decoder) header(x *exporter, m *domain, c *plan.Context) {
	x.skew(m, c, d.now, d.o.MaxSkew)
	if m.clock(c) {
		x.forget(m)
	}
}

// gap follows the sequence number and counts what was lost.
func (x *exporter) gap(m *domain, number, n uint32, counter *uint64) {
	lost, late := m.sequence.observe(number, n)
	*counter += lost
	if late > 0 {
		*counter -= min(*counter, late)
		x.stats.Overtaken += late
	}
}
