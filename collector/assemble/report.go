package assemble

import (
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/flow"
)

// report turns what e has counted into a record.
func (t *Table) report(e *entry, why flow.EndReason) {
	var r flow.Record
	outcome := t.orient(e)
	e.fill(&r, outcome, why)
	t.tunnels.name(&r, e.tunnel, e.has(firstB) == (e.side() == sideB))
	r.Sensor, r.Source = t.sensor(e.seenOn), flow.SourcePackets
	switch {
	case (outcome == flow.Unanswered || outcome == flow.Refused) && r.Split == 0 && t.fold.Takes(&r):
	case r.Evidence <= flow.EvidenceKnownPort && r.Confidence < 90 && r.Split == 0 && why != flow.EndActive:
		t.hold(&r)
	default:
		t.push(&r)
	}
}

// firstWeak is how many records are held before room for all is made.
const firstWeak = 512

// hold keeps a record back until more is known about who serves.
func (t *Table) hold(r *flow.Record) {
	if len(t.weak) == 0 {
		t.weakSince = t.now
	}
	if len(t.weak) == firstWeak { // then whole: growing by doubling would leave as much again as garbage
		t.weak = slices.Grow(t.weak, t.o.HoldWeak-firstWeak)
	}
	if t.weak = append(t.weak, *r); len(t.weak) >= t.o.HoldWeak {
		t.releaseWeak()
	}
}

// orient decides e's client once, for all its splits, teaches the learner, and
// returns the outcome.
func (t *Table) orient(e *entry) flow.Outcome {
	if e.has(decided) {
		return e.outcome(e.side())
	}
	f := e.direction()
	v := t.o.Learner.Decide(f)
	client := sideA
	if v.ClientIsA == e.has(firstB) { // f.A is who spoke first
		client = sideB
	}
	outcome := e.outcome(client)
	t.taps(e, outcome)
	if outcome == flow.Unanswered && e.key.proto == flow.UDP && t.oneWayTap() {
		outcome = flow.OneWay
	}
	if outcome == flow.Established || outcome == flow.OneWay && !e.has(multicast) {
		t.o.Learner.Learn(f)
	}
	e.state |= decided
	if client == sideB {
		e.state |= decidedB
	}
	e.evidence, e.confidence = v.Evidence, v.Confidence
	return outcome
}

// taps counts whether connections are seen from both sides.
func (t *Table) taps(e *entry, outcome flow.Outcome) {
	if outcome != flow.Established || e.key.proto != flow.TCP {
		return
	}
	if e.has(answered) {
		t.bothSides++
	} else {
		t.oneSide++
	}
}

// oneWayTap reports whether this sensor sees mostly one direction, so that an
// answer not seen says nothing.
func (t *Table) oneWayTap() bool { return t.oneSide > 16 && t.oneSide > 2*t.bothSides }

func (e *entry) side() int {
	if e.has(decidedB) {
		return sideB
	}
	return sideA
}

func (e *entry) direction() direction.Flow {
	f := direction.Flow{
		A: direction.End{Addr: e.key.a.Netip(), Port: e.key.portA()}, B: direction.End{Addr: e.key.b.Netip(), Port: e.key.portB()},
		Proto: e.key.proto, Scope: e.key.scope(),
	}
	if e.has(firstB) {
		f.A, f.B = f.B, f.A
	}
	if e.has(hinted) {
		f.Hint = direction.Hint{Evidence: e.evidence, ClientIsA: e.has(clientB) == e.has(firstB), Both: e.has(agreed)}
	}
	return f
}

// fill writes the record of e's present split.
func (e *entry) fill(r *flow.Record, outcome flow.Outcome, why flow.EndReason) {
	c := e.side()
	s := 1 - c
	addr := [2]netip.Addr{e.key.a.Netip(), e.key.b.Netip()}
	port := [2]uint16{e.key.portA(), e.key.portB()}
	if e.key.proto == flow.ICMP || e.key.proto == flow.ICMPv6 {
		port[c], port[s] = 0, e.key.icmp()
	}
	*r = flow.Record{
		ID: e.id, First: e.first, Last: e.last,
		Key: flow.Key{
			Client: addr[c], Server: addr[s], ClientPort: port[c], ServerPort: port[s],
			Proto: e.key.proto, Scope: e.key.scope(),
		},
		ClientPackets: uint64(e.packets[c]), ServerPackets: uint64(e.packets[s]),
		ClientBytes: e.bytes[c], ServerBytes: e.bytes[s],
		ClientFlags: e.flags[c], ServerFlags: e.flags[s],
		Outcome: outcome, Evidence: e.evidence, Confidence: e.confidence, End: why,
		Split: e.split, VLAN: e.vlan, VNI: e.vni,
	}
}

// outcome says what became of e, client being its client's side.
func (e *entry) outcome(client int) flow.Outcome {
	server := 1 - client
	switch {
	case e.has(refused) && !e.has(answered):
		return flow.Refused
	case e.key.proto == flow.TCP:
		return e.tcpOutcome(client, server)
	case e.has(answered):
		return flow.Established
	case e.has(multicast):
		return flow.OneWay
	case e.key.proto == flow.UDP:
		return e.udpOutcome(client)
	case e.key.proto == flow.ICMP || e.key.proto == flow.ICMPv6:
		if _, kind := icmpRequest(e.key.proto, e.key.icmp()); kind == icmpAsks && e.packets[client] > 0 {
			return flow.Unanswered
		}
	}
	return flow.OneWay
}

// tcpOutcome: a connection is established when its handshake was completed, or
// when both sides were seen in the middle of it.
func (e *entry) tcpOutcome(client, server int) flow.Outcome {
	syn := e.has(hinted) && e.evidence >= flow.EvidenceSYN && e.flags[client]&flow.SYN != 0 && e.split == 0
	switch {
	case !e.has(answered):
		return e.oneSided(client)
	case e.split == 0 && e.flags[server]&flow.RST != 0 && e.flags[server]&^(flow.RST|flow.ACK) == 0:
		return flow.Refused // also what an ACK scan gets
	case syn && e.has(synAckSeen) && !e.has(completed):
		return flow.Unanswered // half-open, as a SYN scan leaves it
	}
	return flow.Established
}

// oneSided judges TCP of which one direction is seen. Segments that acknowledge
// without SYN or RST prove the other side, as on a tap that sees one direction;
// a single one proves nothing, because scanners send such.
func (e *entry) oneSided(client int) flow.Outcome {
	flags, packets := e.flags[client], e.packets[client]
	fromServer := packets == 0
	if fromServer {
		flags, packets = e.flags[1-client], e.packets[1-client]
	}
	switch {
	case !fromServer && flags&flow.SYN != 0 && flags&flow.ACK == 0:
		return flow.Unanswered
	case packets < 2 || flags&flow.ACK == 0:
		return flow.OneWay
	case !e.has(plainAck):
		return flow.OneWay // SYN+ACK or RST again and again: nobody took it up
	}
	return flow.Established
}

// udpOutcome is for one side only. Ports of protocols that push without an answer
// count as served when more than one packet went there unrefused.
func (e *entry) udpOutcome(client int) flow.Outcome {
	port := e.key.portB()
	if client == sideB {
		port = e.key.portA()
	}
	switch port {
	case 162, 514, 2055, 4739, 6343, 8125, 9995, 9996, 12201, 25826: // traps, syslog, flow export, statsd, GELF, collectd
		if e.packets[client] > 1 {
			return flow.Established
		}
		return flow.OneWay
	}
	switch {
	case e.packets[client] == 0 && e.answersDHCP():
		return flow.Established
	case e.packets[client] == 0:
		return flow.OneWay // only the server's side is seen
	}
	return flow.Unanswered
}

// answersDHCP reports whether e is what a DHCP server said to one client. The
// client asks before it has an address, by broadcast (RFC 2131 §4.1) or multicast
// (RFC 8415 §7.1), so that the question is in another flow.
func (e *entry) answersDHCP() bool {
	low, high := min(e.key.portA(), e.key.portB()), max(e.key.portA(), e.key.portB())
	return e.evidence == flow.EvidenceSemantics && (low == 67 && high == 68 || low == 546 && high == 547)
}
