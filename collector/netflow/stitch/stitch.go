package stitch

import (
	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/collector/fold"
	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// Stitcher joins rows to records. It is not safe for concurrent use.
type Stitcher struct {
	o         Options
	t         *table
	learner   *direction.Learner
	exporters []exporter
	folder    *fold.Folder
	scratch   flow.Record
	out       []flow.Record
	weak      []flow.Record // held back
	weakSince flow.Time     // when the first of them came
	now       flow.Time
	keys      []keyed // of the batch at hand
	touched   uint64  // keeps the compiler from dropping loads that only warm the cache
	stats     Stats
}

// keyed is a row's key, worked out before it is needed.
type keyed struct {
	key  key
	hash uint64
	dir  int
}

type exporter struct {
	sensor string
	paired bool // it has reported both directions of some flow
}

// New returns an empty Stitcher.
func New(o Options) *Stitcher {
	o.defaults()
	s := &Stitcher{o: o, t: newTable(o.MaxFlows, o.Seed), learner: o.Learner}
	s.folder = fold.New(o.Budget, func(r *flow.Record) { s.out = append(s.out, *r) })
	return s
}

// Exporter registers an exporter under the name its records will carry.
func (s *Stitcher) Exporter(sensor string) uint32 {
	s.exporters = append(s.exporters, exporter{sensor: sensor})
	return uint32(len(s.exporters) - 1)
}

// Rename gives an exporter's place to another one. No flow of the old one may be
// remembered any more: it must have been silent for longer than Gap and Wait.
func (s *Stitcher) Rename(i uint32, sensor string) { s.exporters[i] = exporter{sensor: sensor} }

// Relabel gives an exporter another name from its next record on.
func (s *Stitcher) Relabel(i uint32, sensor string) { s.exporters[i].sensor = sensor }

// Reconfigure takes over what of o can change while flows are in the table: Wait,
// Gap, Skew, HoldFor, ScopeVLAN and ScopeVNI, and o.Learner's overrides. A flow
// whose address space changes begins anew.
func (s *Stitcher) Reconfigure(o Options) {
	o.defaults()
	s.o.Wait, s.o.Gap, s.o.Skew, s.o.HoldFor = o.Wait, o.Gap, o.Skew, o.HoldFor
	s.o.ScopeVLAN, s.o.ScopeVNI = o.ScopeVLAN, o.ScopeVNI
	s.learner.Override(o.Learner.Overrides())
}

// Stats returns the counters.
func (s *Stitcher) Stats() Stats {
	st := s.stats
	st.Records += uint64(len(s.out))
	st.Flows, st.Folded = s.t.len(), s.folder.Folded()
	return st
}

// Out returns the records made since the last Reset.
func (s *Stitcher) Out() []flow.Record { return s.out }

// Reset forgets the records that Out returned; their memory is used again.
func (s *Stitcher) Reset() {
	s.stats.Records += uint64(len(s.out))
	s.out = s.out[:0]
}

// Add takes rows, seen at the collector's time at. Their Sampling says by what
// their counters are multiplied: the operator's word and options data are already
// in it.
func (s *Stitcher) Add(src *Source, rows []plan.Row, at flow.Time) {
	s.now = max(s.now, at)
	s.stats.Rows += uint64(len(rows))
	s.warm(src, rows)
	for i := range rows {
		s.add(src, &rows[i], &s.keys[i])
	}
}

// warm works out the keys of rows and touches what the table holds for them. The
// loads do not wait for each other, so that the processor overlaps the cache
// misses that add would take one by one: 20 % of all time with 131,072 flows.
func (s *Stitcher) warm(src *Source, rows []plan.Row) {
	s.keys = s.keys[:0]
	for i := range rows {
		k, dir := keyOf(&rows[i], s.scope(src, &rows[i]))
		s.keys = append(s.keys, keyed{k, hash(&k, s.o.Seed), dir})
	}
	for i := range s.keys {
		s.touched += uint64(s.t.buckets[s.keys[i].hash&uint64(len(s.t.buckets)-1)])
	}
	for i := range s.keys {
		if e := s.t.buckets[s.keys[i].hash&uint64(len(s.t.buckets)-1)]; e != none {
			s.touched += s.t.slab[e].hash
		}
	}
}

// scope is the address space that a row's addresses belong to, numbered as
// assemble numbers them.
func (s *Stitcher) scope(src *Source, r *plan.Row) flow.Scope {
	by := src.ScopeBy
	vlan, vni := by == ScopeByVLAN, by == ScopeByVNI
	if by == ScopeByOptions {
		vlan, vni = s.o.ScopeVLAN, s.o.ScopeVNI
	}
	switch {
	case vni && r.VNI != 0:
		return flow.Scope(r.VNI | 1<<31)
	case vlan && r.VLAN != 0:
		return flow.Scope(r.VLAN) << 12
	case by == ScopeByVRF && r.VRF != 0:
		return flow.Scope(r.VRF&(1<<29-1) | 1<<29)
	case by == ScopeByDomain:
		return flow.Scope(src.Domain&(1<<30-1) | 1<<30)
	}
	return src.Scope
}

func (s *Stitcher) add(src *Source, r *plan.Row, k *keyed) {
	i := s.t.find(&k.key, k.hash)
	if i == none {
		i = s.create(&k.key, k.hash, src, r)
	}
	e := &s.t.slab[i]
	pt := point(src, r)
	if s.another(e, k.dir, pt, r) {
		s.restart(i, src, r)
	}
	e.touched = s.now
	if s.duplicate(e, k.dir, pt, src.Kind, r) {
		s.stats.Duplicates++
		s.sighted(i, src.Exporter)
		s.refresh(i)
		return
	}
	s.count(i, k.dir, pt, src, r)
	if e.complete() {
		s.report(i)
		return
	}
	if !e.waiting {
		s.wait(i)
	}
}

// another reports whether r begins another flow with e's tuple. What a second
// observation point says a moment later is no other flow: its clock may be ahead.
func (s *Stitcher) another(e *entry, dir int, pt uint64, r *plan.Row) bool {
	covered := max(e.half[0].covered, e.half[1].covered)
	silence := r.First.Sub(covered)
	switch {
	case e.outcome == flow.Denied && !e.waiting:
		return true // every attempt that a firewall denies is one of its own
	case covered == 0 || silence <= 0:
		return false
	case silence > s.o.Gap:
		return true
	case e.key.proto != flow.TCP || r.Flags&flow.SYN == 0:
		return false
	case e.end != flow.EndOfFlow && (e.half[0].flags|e.half[1].flags)&(flow.FIN|flow.RST) == 0:
		return false
	}
	h := &e.half[dir]
	return !h.seen || h.point == pt || silence > s.o.Skew
}

// restart reports what is left of the old flow and begins a new one in its place.
func (s *Stitcher) restart(i uint32, src *Source, r *plan.Row) {
	if s.t.slab[i].waiting {
		s.report(i)
	}
	e := &s.t.slab[i]
	*e = entry{key: e.key, hash: e.hash, chain: e.chain, prev: e.prev, next: e.next}
	e.begin(src, r)
}

func (e *entry) begin(src *Source, r *plan.Row) {
	e.id = hash(&e.key, 0) ^ mix(uint64(r.First), 0x2545f4914f6cdd1d)
	if e.id == 0 {
		e.id = 1
	}
	e.exporter, e.source = src.Exporter, src.Kind
}

// point identifies what made a record: the exporter, its domain, the interface
// the packets came in by, and whether they were metered going in or out.
func point(src *Source, r *plan.Row) uint64 {
	p := uint64(src.Exporter+1)<<32 | uint64(src.Domain)
	x := uint64(r.InIf) << 1
	if r.Egress {
		x |= 1
	}
	return mix(p^0x9e3779b97f4a7c15, x^0xd6e8feb86659fd93)
}

// duplicate reports whether r covers time that another observation point has
// already reported for this direction. The point that came first counts until it
// falls behind; then whoever reports next takes over.
func (s *Stitcher) duplicate(e *entry, dir int, pt uint64, kind flow.Source, r *plan.Row) bool {
	h := &e.half[dir]
	if !h.seen || s.o.KeepDuplicates || h.point == pt {
		return false
	}
	tolerance := s.o.Skew
	if kind == flow.SourceSFlow {
		tolerance = s.o.Wait // samples of one flow come as they come, from every switch
	}
	return r.First <= h.covered.Add(tolerance)
}

// sighted notes a further exporter that saw flow i, to be named in a record that
// counts nothing.
func (s *Stitcher) sighted(i uint32, exporter uint32) {
	e := &s.t.slab[i]
	if exporter == e.exporter || int(e.numOthers) == len(e.others) {
		return
	}
	for _, o := range e.others[:e.numOthers] {
		if o == exporter {
			return
		}
	}
	e.others[e.numOthers] = exporter
	e.numOthers++
	if !e.waiting {
		s.wait(i)
	}
}

func (s *Stitcher) wait(i uint32) {
	s.t.unlink(&s.t.idle, i)
	e := &s.t.slab[i]
	e.waiting, e.since = true, e.touched
	s.t.push(&s.t.waiting, i)
}

// refresh keeps the idle list in order of last use.
func (s *Stitcher) refresh(i uint32) {
	if !s.t.slab[i].waiting {
		s.t.unlink(&s.t.idle, i)
		s.t.push(&s.t.idle, i)
	}
}

// Expire reports the halves that have waited long enough at time now, and
// forgets flows that have been silent.
func (s *Stitcher) Expire(now flow.Time) {
	for i := s.t.waiting.head; i != none && now.Sub(s.t.slab[i].since) >= s.o.Wait; i = s.t.waiting.head {
		s.report(i)
	}
	s.folder.Expire(now)
	if len(s.weak) > 0 && now.Sub(s.weakSince) >= s.o.HoldFor {
		s.release()
	}
	for i := s.t.idle.head; i != none && now.Sub(s.t.slab[i].touched) >= s.o.Gap; i = s.t.idle.head {
		s.t.unlink(&s.t.idle, i)
		s.t.remove(i)
	}
}

// Flush reports everything that waits or is held back.
func (s *Stitcher) Flush() {
	for i := s.t.waiting.head; i != none; i = s.t.waiting.head {
		s.report(i)
	}
	s.folder.Flush()
	s.release()
}

// release decides the records that were held back once more, and lets them go.
func (s *Stitcher) release() {
	for i := range s.weak {
		s.learner.Revise(&s.weak[i])
	}
	s.out = append(s.out, s.weak...)
	s.weak = s.weak[:0]
}
