package assemble

import (
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// hint records that side is the client, unless better evidence is there.
func (e *entry) hint(why flow.Evidence, side int) {
	if e.has(hinted) && e.evidence >= why || e.has(decided) {
		return
	}
	e.evidence = why
	e.state = e.state&^clientB | hinted
	if side == sideB {
		e.state |= clientB
	}
}

// tcp follows the handshake and the end of a connection (RFC 9293 §3.5, §3.6).
func (e *entry) tcp(flags uint8, side int) {
	switch flags & (flow.SYN | flow.ACK) {
	case flow.SYN:
		if e.has(hinted) && e.evidence == flow.EvidenceSYN && e.has(synAckSeen) && e.has(clientB) == (side == sideB) {
			e.state |= agreed
		}
		e.hint(flow.EvidenceSYN, side)
	case flow.SYN | flow.ACK:
		if e.has(hinted) && e.evidence == flow.EvidenceSYN && e.has(clientB) == (side == sideA) {
			e.state |= agreed
		}
		e.hint(flow.EvidenceSYN, 1-side)
		e.state |= synAckSeen
	}
	if flags&flow.FIN != 0 {
		e.state |= finA << side
		if flags&(flow.ACK|flow.SYN|flow.RST) == flow.ACK {
			e.state |= plainAck
		}
	}
	if flags&flow.RST != 0 || e.state&(finA|finB) == finA|finB {
		e.state |= closed
	}
	if flags&flow.SYN == 0 && e.has(synAckSeen) && flags&flow.RST == 0 && e.has(clientB) == (side == sideB) {
		e.state |= completed
	}
}

// udp reads who asks from the protocols that say so.
func (e *entry) udp(p *capture.Packet, side int) {
	b := p.Payload
	switch either := func(port uint16) bool { return p.SrcPort == port || p.DstPort == port }; {
	case either(53), either(5355), either(137): // RFC 1035 §4.1.1, RFC 4795, RFC 1002 §4.2.1.1: QR
		if len(b) < 12 {
			return
		}
		e.asks(side, b[2]&0x80 == 0)
	case either(67): // RFC 2131 §2: op
		if len(b) >= 1 && (b[0] == 1 || b[0] == 2) {
			e.asks(side, b[0] == 1)
		}
	case either(547): // RFC 8415 §7.3: the messages of servers, and of relays to clients
		if len(b) >= 1 {
			e.asks(side, b[0] != 2 && b[0] != 7 && b[0] != 10 && b[0] != 13)
		}
	case either(123): // RFC 5905 §7.3: mode
		if len(b) >= 1 && (b[0]&7 == 3 || b[0]&7 == 4) {
			e.asks(side, b[0]&7 == 3)
		}
	}
}

func (e *entry) asks(side int, sender bool) {
	if !sender {
		side = 1 - side
	}
	e.hint(flow.EvidenceSemantics, side)
}

// other handles what is neither TCP nor UDP.
func (t *Table) other(e *entry, p *capture.Packet, side int) {
	switch p.Proto {
	case flow.ICMP, flow.ICMPv6:
		if _, kind := icmpRequest(p.Proto, p.DstPort); kind != icmpOther && !e.has(hinted) {
			e.asks(side, kind == icmpAsks)
		}
		if unreachable(p.Proto, p.DstPort) {
			t.refuse(p)
		}
	case flow.SCTP:
		if len(p.Payload) > 0 && !e.has(hinted) && p.Payload[0] <= 2 && p.Payload[0] > 0 { // RFC 9260 §3.2: INIT, INIT ACK
			e.asks(side, p.Payload[0] == 1)
		}
	}
}

// refuse marks the flow that an ICMP error quotes.
func (t *Table) refuse(p *capture.Packet) {
	var q capture.Packet
	if !t.quoted.Quoted(p, &q) {
		return
	}
	k, side := makeKey(&q, t.scope(p))
	e := t.find(&k, uint32(k.hash(t.o.Seed)>>32))
	if e == nil || e.packets[1-side] != 0 {
		return // only what was never answered is refused
	}
	e.state |= refused
}

type icmpKind uint8

const (
	icmpOther icmpKind = iota // errors, announcements: nobody asked
	icmpAsks
	icmpReplies
)

// icmpRequest gives the type and code of the request that an ICMP message is or
// answers (RFC 792, RFC 950, RFC 1256; RFC 4443 §4, RFC 4861, RFC 4620), so that
// both fall into one flow.
func icmpRequest(proto uint8, typeCode uint16) (uint16, icmpKind) {
	kind := typeCode >> 8
	if proto == flow.ICMP {
		switch kind {
		case 8, 10, 13, 15, 17:
			return typeCode, icmpAsks
		case 0:
			return 8 << 8, icmpReplies
		case 9:
			return 10 << 8, icmpReplies
		case 14, 16, 18:
			return (kind - 1) << 8, icmpReplies
		}
		return typeCode, icmpOther
	}
	switch kind {
	case 128, 133, 135, 139:
		return kind << 8, icmpAsks
	case 129, 134, 136, 140:
		return (kind - 1) << 8, icmpReplies
	}
	return typeCode, icmpOther
}

// icmpPorts are what stands for the ports of an ICMP message's sender and receiver
// in a key. What nobody asked for goes one way: errors that two hosts send each
// other do not answer each other.
func icmpPorts(proto uint8, typeCode uint16) (src, dst uint16) {
	request, kind := icmpRequest(proto, typeCode)
	if kind == icmpReplies {
		return request, 0
	}
	return 0, request
}

// unreachable reports whether the message says that a packet was not delivered;
// "fragmentation needed" does not.
func unreachable(proto uint8, typeCode uint16) bool {
	if proto == flow.ICMP {
		return typeCode>>8 == 3 && typeCode&0xff != 4
	}
	return typeCode>>8 == 1
}
