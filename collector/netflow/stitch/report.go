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
		if (e.outcome == flow.OneWay || e.outcome == flow.Unanswered) && e.answers() {
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

// attempt reports whether e came to nothing.
func (e *entry) attempt() bool { return e.outcome == flow.Unanswered || e.outcome == flow.Refused }

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

// outcome judges e. Flags are unions over the record, so a handshake shows as SYN
// and ACK from the client; SYN alone was never answered.
func (s *Stitcher) outcome(e *entry) flow.Outcome {
	a, b := &e.half[0], &e.half[1]
	switch {
	case e.event == plan.EventDenied || e.dropped:
		return flow.Denied
	case e.icmpError():
		return flow.OneWay // about somebody else's packet
	case e.event != plan.EventNone && e.initiator != 0:
		if e.biflow && e.event == plan.EventDeleted && a.seen != b.seen {
			return flow.Unanswered // let through, and the counters of the other end stayed 0
		}
		return flow.Established // a firewall lists only connections it let through
	case e.key.proto == flow.TCP && (refuses(a, b) || refuses(b, a)):
		return flow.Refused
	case a.seen && b.seen:
		return flow.Established
	}
	one := a
	if b.seen {
		one = b
	}
	if e.key.proto == flow.TCP && one.flags != 0 {
		return tcpSide(one, e.sampling > 1)
	}
	if e.sampling <= 1 && (e.biflow || s.exporters[e.exporter].paired) && !e.key.b.Multicast() && !e.key.a.Multicast() {
		return flow.Unanswered // this exporter would have shown an answer
	}
	return flow.OneWay
}

// icmpError reports whether e are ICMP errors (RFC 792; RFC 4443 §2.1: ICMPv6 types
// below 128), which nobody asks for and nobody answers.
func (e *entry) icmpError() bool {
	t := (e.key.portA | e.key.portB) >> 8
	switch e.key.proto {
	case flow.ICMP:
		return t == 3 || t == 4 || t == 5 || t == 11 || t == 12
	case flow.ICMPv6:
		return t < 128
	}
	return false
}

// tcpSide judges a TCP flow of which one side was seen. Acknowledgements without a
// reset say that the other side spoke: a stack sends none before (RFC 9293 §3.10).
// One packet alone could be a scanner's, unless it is one of a sample.
func tcpSide(h *half, sampled bool) flow.Outcome {
	switch {
	case h.flags&flow.RST != 0 && h.flags&(flow.SYN|flow.PSH|flow.FIN) == 0 && !sampled:
		return flow.Refused
	case h.flags&(flow.ACK|flow.RST) == flow.ACK && (h.packets >= 2 || sampled && h.flags&flow.SYN == 0):
		return flow.Established
	case h.flags&(flow.SYN|flow.ACK|flow.RST) == flow.SYN && !sampled:
		return flow.Unanswered
	}
	return flow.OneWay // absence cannot be read from a sample
}

// answers reports whether the one side seen of a flow is that of a server which
// is known as one: then there was a question.
func (e *entry) answers() bool {
	server := 1
	if e.client < 0 {
		server = 0
	}
	return e.half[server].seen && e.key.proto != flow.TCP && e.evidence > flow.EvidenceFirstSeen && e.confidence >= 80
}

// refuses reports whether server answered client's SYN with nothing but RST.
func refuses(client, server *half) bool {
	return server.flags&flow.RST != 0 && server.flags&(flow.SYN|flow.PSH|flow.FIN) == 0 &&
		client.flags&flow.SYN != 0 && client.flags&(flow.ACK|flow.PSH|flow.FIN) == 0
}

// decide settles who the client is. What was decided for an earlier split stands
// unless there is stronger evidence now.
func (s *Stitcher) decide(e *entry) {
	f := direction.Flow{
		A: direction.End{Addr: e.key.a.Std(), Port: e.key.portA}, B: direction.End{Addr: e.key.b.Std(), Port: e.key.portB},
		Proto: e.key.proto, Scope: e.key.scope, Hint: e.hint(),
	}
	swapped := !e.half[0].seen || e.half[1].seen && e.half[1].first < e.half[0].first
	if swapped { // A is who was seen first
		f.A, f.B = f.B, f.A
		f.Hint.ClientIsA = !f.Hint.ClientIsA
	}
	v := s.learner.Decide(f)
	if e.client == 0 && !wellKnown(v) && (e.outcome == flow.Established || e.outcome == flow.OneWay) {
		s.learner.Learn(f)
	}
	if e.client != 0 && (v.Evidence < e.evidence || v.Evidence == e.evidence && v.Confidence <= e.confidence) {
		return
	}
	e.client = -1
	if v.ClientIsA != swapped {
		e.client = 1
	}
	e.evidence, e.confidence = v.Evidence, v.Confidence
}

// wellKnown reports whether one more flow would teach the learner nothing. Most
// flows are to servers known for long: learning each of them again costs 100 ns,
// and each would leave its client's passing port in the learner's table.
func wellKnown(v direction.Verdict) bool {
	return v.Evidence == flow.EvidenceKnownPort && v.Confidence >= 95
}

// hint is the best evidence that the flow itself shows; ClientIsA speaks of the
// key's end a.
func (e *entry) hint() direction.Hint {
	a, b := &e.half[0], &e.half[1]
	switch e.key.proto {
	case flow.TCP:
		if h, ok := handshake(a, b); ok {
			return h
		}
	case flow.ICMP, flow.ICMPv6:
		return direction.Hint{Evidence: flow.EvidenceSemantics, ClientIsA: e.key.portA == 0 && (e.key.portB != 0 || a.seen)}
	case flow.UDP:
		switch { // DHCP (RFC 2131 §4.1, RFC 8415 §7.2): the port says who asks
		case e.key.portA == 68 && e.key.portB == 67, e.key.portA == 546 && e.key.portB == 547:
			return direction.Hint{Evidence: flow.EvidenceSemantics, ClientIsA: true}
		case e.key.portA == 67 && e.key.portB == 68, e.key.portA == 547 && e.key.portB == 546:
			return direction.Hint{Evidence: flow.EvidenceSemantics}
		}
	}
	if e.initiator != 0 {
		return direction.Hint{Evidence: flow.EvidenceExporter, ClientIsA: e.initiator > 0}
	}
	return direction.Hint{}
}

// handshake reads who opened a TCP connection. The flags of the first packet are
// proof where they are exported; else a side that sent SYN and never ACK did; else,
// when both sent SYN, the side that was seen first.
func handshake(a, b *half) (direction.Hint, bool) {
	const both = flow.SYN | flow.ACK
	proof := func(clientIsA, twice bool) (direction.Hint, bool) {
		return direction.Hint{Evidence: flow.EvidenceSYN, ClientIsA: clientIsA, Both: twice}, true
	}
	aOpens, bAnswers := a.initFlags&both == flow.SYN, b.initFlags&both == both
	bOpens, aAnswers := b.initFlags&both == flow.SYN, a.initFlags&both == both
	switch {
	case (aOpens || bAnswers) && !bOpens && !aAnswers:
		return proof(true, aOpens && bAnswers)
	case (bOpens || aAnswers) && !aOpens && !bAnswers:
		return proof(false, bOpens && aAnswers)
	}
	aOpens, bOpens = a.flags&both == flow.SYN, b.flags&both == flow.SYN
	switch {
	case aOpens != bOpens:
		return proof(aOpens, false)
	case a.flags&b.flags&flow.SYN != 0 && a.first != b.first && a.rows > 0 && b.rows > 0:
		return proof(a.first < b.first, false)
	}
	return direction.Hint{}, false
}
