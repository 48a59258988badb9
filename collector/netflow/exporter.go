package netflow

import (
	"net/netip"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/collector/netflow/stitch"
	"github.com/bulkhead/bulkhead/flow"
)

// exporter is the state of one exporter.
type exporter struct {
	addr          netip.AddrPort // port 0 unless exporters are told apart by port
	index         uint32         // in the stitcher
	settings      Exporter
	domains       map[domainKey]*domain
	templates     int // over all domains
	templateBytes int
	stats         ExporterStats
}

type domainKey struct {
	version uint16
	id      uint32
}

// domain is the state of one observation domain (IPFIX), source id (v9), engine
// (v5) or sub-agent (sFlow).
type domain struct {
	version   uint16
	id        uint32
	templates map[uint16]*template
	sequence  sequence
	sampling  sampling
	boot      flow.Time // systemInitTime learned from options (IPFIX)
	started   flow.Time // when the exporter booted, as far as its headers tell (v5, v9)
	shift     flow.Time // added to all times, because the exporter's clock is wrong
	source    stitch.Source
}

// exporterOf finds or makes the state of an exporter; nil when it is not allowed
// or there is no room, with the reason.
func (d *Decoder) exporterOf(addr netip.AddrPort) (*exporter, flow.DropReason) {
	key := netip.AddrPortFrom(addr.Addr().Unmap(), 0)
	if d.o.ByPort {
		key = netip.AddrPortFrom(key.Addr(), addr.Port())
	}
	if x := d.exporters[key]; x != nil {
		return x, flow.DropNone
	}
	settings, listed := d.settings(key.Addr())
	if d.o.OnlyListed && !listed {
		d.unknown.note(key.Addr(), d.now)
		return nil, flow.DropUnknownExporter
	}
	if len(d.exporters) >= d.o.MaxExporters && !d.evictExporter() {
		return nil, flow.DropTableFull
	}
	x := &exporter{addr: key, settings: d.named(settings, key), domains: map[domainKey]*domain{}}
	x.stats.Exporter, x.stats.Name = key, x.settings.Name
	x.index = d.exporterIndex(x.settings.Name)
	d.exporters[key] = x
	return x, flow.DropNone
}

// exporterIndex registers an exporter with the stitcher, in the place of one that
// was forgotten if there is any: that one had been silent for longer than the
// stitcher remembers flows.
func (d *Decoder) exporterIndex(name string) uint32 {
	if n := len(d.vacant); n > 0 {
		i := d.vacant[n-1]
		d.vacant = d.vacant[:n-1]
		d.stitcher.Rename(i, name)
		return i
	}
	return d.stitcher.Exporter(name)
}

// settings finds the operator's words for an address: the longest prefix, and of
// two alike the configuration's before an admission.
func (d *Decoder) settings(a netip.Addr) (Exporter, bool) {
	best, found := Exporter{}, false
	for _, list := range [][]Exporter{d.o.Exporters, d.admitted} {
		for _, e := range list {
			if e.Prefix.Contains(a) && (!found || e.Prefix.Bits() > best.Prefix.Bits()) {
				best, found = e, true
			}
		}
	}
	return best, found
}

// named gives an exporter without a name its address.
func (d *Decoder) named(e Exporter, key netip.AddrPort) Exporter {
	switch {
	case e.Name != "":
	case d.o.ByPort:
		e.Name = key.String()
	default:
		e.Name = key.Addr().String()
	}
	return e
}

// quiet is how long an exporter must be silent before a new one may take its
// place: a flood of invented addresses must not push out the real ones.
const quiet = flow.Time(10 * 60 * 1e9)

func (d *Decoder) evictExporter() bool {
	if d.now < d.fullUntil {
		return false
	}
	var oldest *exporter
	for _, x := range d.exporters {
		if oldest == nil || x.stats.LastSeen < oldest.stats.LastSeen {
			oldest = x
		}
	}
	if oldest == nil || d.now-oldest.stats.LastSeen < quiet {
		d.fullUntil = d.now + 1e9 // so that a flood does not have us search for each datagram
		return false
	}
	d.gone.add(&oldest.stats)
	d.vacant = append(d.vacant, oldest.index)
	delete(d.exporters, oldest.addr)
	return true
}

// domainOf finds or makes a domain; nil when the exporter has too many.
func (d *Decoder) domainOf(x *exporter, version uint16, id uint32) *domain {
	key := domainKey{version, id}
	if m := x.domains[key]; m != nil {
		return m
	}
	if len(x.domains) >= d.o.MaxDomains {
		return nil
	}
	m := &domain{version: version, id: id, templates: map[uint16]*template{}}
	m.source = stitch.Source{Exporter: x.index, Domain: id, Scope: x.settings.Scope, ScopeBy: x.settings.ScopeBy, Kind: kindOf(version)}
	x.domains[key] = m
	return m
}

func kindOf(version uint16) flow.Source {
	switch version {
	case 5:
		return flow.SourceNetFlow5
	case 9:
		return flow.SourceNetFlow9
	case 10:
		return flow.SourceIPFIX
	}
	return flow.SourceSFlow
}

// clock works out when the exporter booted and reports whether that has changed:
// then the exporter restarted, and its templates may mean something else now.
// Clocks are set and drift, so a minute's difference is none.
//
// A header gives the time of export in whole seconds (v9) beside an uptime in
// milliseconds, so the boot time it implies is up to a second early: the latest
// one implied so far is the best estimate, and c.Export is put right by it. Halves
// of a flow that travel in different datagrams would otherwise seem to start up to
// a second apart, in the wrong order.
func (m *domain) clock(c *plan.Context) (restarted bool) {
	const (
		minute = flow.Time(60e9)
		jitter = flow.Time(1500e6)
		wrap   = flow.Time(1<<32) * 1e6 // sysUptime counts milliseconds in 32 bits
	)
	implied := c.Export - flow.Time(c.Uptime)*1e6
	later := implied - m.started
	switch {
	case m.started == 0:
	case later >= minute:
		restarted = later-wrap <= -minute || later-wrap >= minute
	case later < 0 && later > -jitter:
		c.Export -= later
		return false
	}
	m.started = implied
	return restarted
}

// skew notes how far the exporter's clock is off and, past what is allowed,
// decides by how much to shift its times. The shift stays as it is until the clock
// moves by more than a second: halves of a flow must be shifted alike.
func (x *exporter) skew(m *domain, c *plan.Context, now flow.Time, allowed time.Duration) {
	x.stats.Skew = c.Export - now
	if allowed <= 0 {
		return
	}
	switch off := x.stats.Skew + m.shift; {
	case x.stats.Skew.Sub(0).Abs() <= allowed:
		m.shift = 0
	case off.Sub(0).Abs() > time.Second:
		m.shift = -x.stats.Skew
	}
	if m.shift != 0 {
		x.stats.Shifted++
	}
}

// forget drops all that a domain said before its exporter restarted.
func (x *exporter) forget(m *domain) {
	for id := range m.templates {
		x.drop(m, id)
	}
	m.sampling, m.sequence, m.boot = sampling{}, sequence{}, 0
	x.stats.Restarts++
}

// unknowns lists exporters that were refused, at most maxUnknown of them.
type unknowns map[netip.Addr]*Unknown

const maxUnknown = 1024

// Unknown is an exporter that is not on the allow-list.
type Unknown struct {
	Addr        netip.Addr
	Datagrams   uint64
	First, Last flow.Time
}

func (u unknowns) note(a netip.Addr, now flow.Time) {
	e := u[a]
	if e == nil {
		if len(u) >= maxUnknown {
			return
		}
		e = &Unknown{Addr: a, First: now}
		u[a] = e
	}
	e.Datagrams++
	e.Last = now
}

func (u unknowns) sorted() []Unknown {
	out := make([]Unknown, 0, len(u))
	for _, e := range u {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b Unknown) int { return a.Addr.Compare(b.Addr) })
	return out
}
