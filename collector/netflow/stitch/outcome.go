package stitch

import (
	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// attempt reports whether e came to nothing.
func (e *entry) attempt() bool { return e.outcome == flow.Unanswered || e.outcome == flow.Refused }

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
	if s.unasked(e) {
		return flow.OneWay
	}
	if e.sampling <= 1 && (e.biflow || s.exporters[e.exporter].paired) && !e.key.b.Multicast() && !e.key.a.Multicast() {
		return flow.Unanswered // this exporter would have shown an answer
	}
	return flow.OneWay
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

// unasked reports whether e is an ICMP reply of which this exporter would have shown
// the question. It was put to a multicast group, or nobody asked, as with the
// replies to somebody who forges addresses.
func (s *Stitcher) unasked(e *entry) bool {
	if e.key.proto != flow.ICMP && e.key.proto != flow.ICMPv6 || e.sampling > 1 || !e.biflow && !s.exporters[e.exporter].paired {
		return false
	}
	return e.half[0].seen && !e.half[1].seen && e.key.portA != 0 || e.half[1].seen && !e.half[0].seen && e.key.portB != 0
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
