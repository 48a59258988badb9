package stitch

import (
	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// report makes records of what waits in entry i and moves it to the idle list.
func (s *Stitcher) report(i uint32) {
	e := &s.t.slab[i]
	if rows := e.half[0].rows + e.half[1].rows; rows > 0 {
		e.outcome = s.outcome(e)
		s.decide(e)
		if (e.outcome == flow.OneWay || e.outcome == flow.Unanswered) && e.answers() && !s.unasked(e) {
			e.outcome = flow.Established
		}
		s.pass(e, &s.t.rare[i])
		s.stats.Reported += uint64(rows)
	}
	for ; e.told < e.numOthers; e.told++ {
		s.sight(e, e.others[e.told])
	}
	for d := range e.half {
		h := &e.half[d]
		h.packets, h.bytes, h.rows, h.first, h.last = 0, 0, 0, 0, 0
	}
	if e.waiting {
		s.t.unlink(&s.t.waiting, i)
		e.waiting = false
	} else {
		s.t.unlink(&s.t.idle, i)
	}
	s.t.push(&s.t.idle, i)
}

// pass makes a record of e, unless it is one attempt too many, which folds.
func (s *Stitcher) pass(e *entry, x *rare) {
	if e.attempt() && e.split == 0 {
		s.emit(e, x, &s.scratch)
		if !s.folder.Takes(&s.scratch) {
			*s.record(e) = s.scratch
		}
		return
	}
	s.emit(e, x, s.record(e))
}

// record makes room for a record of e: among those held back when e's direction
// is a guess, else among those to be passed on.
func (s *Stitcher) record(e *entry) *flow.Record {
	if v := (direction.Verdict{Evidence: e.evidence, Confidence: e.confidence}); !v.Weak() || !flow.HasPorts(e.key.proto) {
		s.out = append(s.out, flow.Record{})
		return &s.out[len(s.out)-1]
	}
	switch len(s.weak) {
	case s.o.HoldWeak:
		s.release()
		fallthrough
	case 0:
		s.weakSince = s.now
	}
	s.weak = append(s.weak, flow.Record{})
	return &s.weak[len(s.weak)-1]
}

// emit fills r in with what e has to report.
func (s *Stitcher) emit(e *entry, x *rare, r *flow.Record) {
	s.describe(r, e, e.exporter)
	if e.hasRare {
		r.NAT = x.nat(e)
	}
	c, v := &e.half[0], &e.half[1]
	if e.client < 0 {
		c, v = v, c
	}
	r.First, r.Last = earliest(c.first, v.first), max(c.last, v.last)
	r.ClientPackets, r.ClientBytes = c.packets, c.bytes
	r.ServerPackets, r.ServerBytes = v.packets, v.bytes
	if e.key.proto == flow.TCP {
		r.ClientFlags, r.ServerFlags = c.flags, v.flags
	}
}

// nat is the tuple of e as a NAT left it; ends it did not touch stay zero.
func (x *rare) nat(e *entry) (n flow.NAT) {
	portA, portB := x.postPortA, x.postPortB
	if !flow.HasPorts(e.key.proto) {
		portA, portB = 0, 0 // some put the ICMP identifier there
	}
	if x.postA != (plan.Addr{}) && (x.postA != e.key.a || portA != 0 && portA != e.key.portA) {
		n.Client, n.ClientPort = x.postA.Std(), portA
	}
	if x.postB != (plan.Addr{}) && (x.postB != e.key.b || portB != 0 && portB != e.key.portB) {
		n.Server, n.ServerPort = x.postB.Std(), portB
	}
	if e.client < 0 {
		n = n.Reverse()
	}
	return n
}

// sight appends a record that counts nothing and says that another exporter saw
// the flow too.
// What came to nothing is not worth it.
func (s *Stitcher) sight(e *entry, exporter uint32) {
	if e.attempt() {
		return
	}
	r := s.record(e)
	s.describe(r, e, exporter)
	r.First = earliest(e.half[0].covered, e.half[1].covered)
	r.Last = max(e.half[0].covered, e.half[1].covered)
	if r.Split == 0 {
		r.Split = 1 // never the first: it is no flow of its own
		e.split = 2
	}
	s.stats.Sightings++
}

// describe fills in what all records of a flow have in common.
func (s *Stitcher) describe(r *flow.Record, e *entry, exporter uint32) {
	k := &e.key
	r.ID, r.Split = e.id, e.split
	e.split++
	r.Key = flow.Key{Client: k.a.Std(), Server: k.b.Std(), ClientPort: k.portA, ServerPort: k.portB, Proto: k.proto, Scope: k.scope}
	if e.client < 0 {
		r.Key = r.Key.Reverse()
	}
	r.Outcome, r.Evidence, r.Confidence, r.End = e.outcome, e.evidence, e.confidence, e.end
	r.SamplingRate, r.VLAN, r.VNI, r.Encap = e.sampling, e.vlan, e.vni, e.encap
	r.Sensor, r.Source = s.exporters[exporter].sensor, e.source
}

func earliest(a, b flow.Time) flow.Time {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
