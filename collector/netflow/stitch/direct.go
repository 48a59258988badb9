package stitch

import (
	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/flow"
)

// decide settles who the client is. What was decided for an earlier split stands
// unless there is stronger evidence now.
func (s *Stitcher) decide(e *entry) {
	f := direction.Flow{
		A: direction.End{Addr: e.key.a.Std(), Port: e.key.portA}, B: direction.End{Addr: e.key.b.Std(), Port: e.key.portB},
		Proto: e.key.proto, Scope: e.key.scope, Hint: e.hint(),
	}
	swapped := !e.half[0].seen || e.half[1].seen && e.half[1].first < e.half[0].first
	if e.half[0].seen && e.half[1].seen && e.half[0].first == e.half[1].first {
		swapped = direction.Outward(f.B.Addr, f.A.Addr) // the exporter gives both halves the flow's start
	}
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
