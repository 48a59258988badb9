package scenario

import (
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// packet is one packet of a flow. Offset counts from the flow's beginning.
type packet struct {
	offset     time.Duration
	fromServer bool
	flags      uint8  // TCP control bits
	payload    int    // bytes
	round      int    // of the conversation, 0-based
	part       int    // of the response, 0-based
	sent, got  uint32 // TCP payload bytes that both sides had sent before: the sender's, the other's
	unreach    bool   // ICMP port unreachable instead of what was asked for
}

// count is how many packets the flow has, both ways.
func (s *shape) count() int {
	tcp := s.link.svc.Proto == flow.TCP
	switch s.link.outcome {
	case flow.Established:
		if tcp {
			return 6 + s.rounds*(s.packets+2)
		}
		return 2 * s.rounds
	case flow.Refused:
		if tcp {
			return 2
		}
		return 2 * s.rounds
	}
	if tcp {
		return synAttempts
	}
	return s.rounds
}

// packet returns packet i of the flow, in order of time.
func (s *shape) packet(i int) packet {
	if s.link.svc.Proto != flow.TCP {
		return s.datagram(i)
	}
	switch s.link.outcome {
	case flow.Refused:
		if i == 1 {
			return packet{offset: s.rtt, fromServer: true, flags: flow.RST | flow.ACK}
		}
		return packet{flags: flow.SYN}
	case flow.Established:
		return s.segment(i)
	}
	return packet{offset: time.Duration(1<<i-1) * time.Second, flags: flow.SYN}
}

// datagram returns packet i of a conversation without connections: requests at
// even numbers, what comes back at odd ones.
func (s *shape) datagram(i int) packet {
	if s.link.outcome != flow.Established && s.link.outcome != flow.Refused {
		i *= 2
	}
	p := packet{round: i / 2, offset: time.Duration(i/2) * s.pause, payload: s.request}
	if p.round == 0 {
		p.payload = s.firstRequest
	}
	if i%2 == 0 {
		return p
	}
	p.fromServer, p.offset, p.payload = true, p.offset+s.rtt, s.response
	p.unreach = s.link.outcome == flow.Refused
	if p.round == 0 {
		p.payload = s.firstResponse
	}
	return p
}

// segment returns packet i of an established TCP connection: three of the
// handshake, the rounds, three of the end.
func (s *shape) segment(i int) packet {
	perRound := s.packets + 2
	end := s.rtt + time.Duration(s.rounds)*(s.rtt+packetGap) + time.Duration(s.rounds-1)*s.pause
	client, server := uint32(s.firstRequest+(s.rounds-1)*s.request), uint32(s.firstResponse+(s.rounds*s.packets-1)*s.response)
	switch i - 3 - s.rounds*perRound {
	case 0:
		return packet{offset: end, flags: flow.FIN | flow.ACK, sent: client + 1, got: server + 1}
	case 1:
		return packet{offset: end + s.rtt, fromServer: true, flags: flow.FIN | flow.ACK, sent: server + 1, got: client + 2}
	case 2:
		return packet{offset: end + s.rtt + packetGap, flags: flow.ACK, sent: client + 2, got: server + 2}
	}
	switch i {
	case 0:
		return packet{flags: flow.SYN}
	case 1:
		return packet{offset: s.rtt, fromServer: true, flags: flow.SYN | flow.ACK, got: 1}
	case 2:
		return packet{offset: s.rtt, flags: flow.ACK, sent: 1, got: 1}
	}
	return s.exchange((i-3)/perRound, (i-3)%perRound)
}

// exchange returns packet k of a round: the request, the responses, the
// acknowledgement of the last of them.
func (s *shape) exchange(round, k int) packet {
	begin := s.rtt + time.Duration(round)*(s.rtt+packetGap+s.pause)
	client, server := uint32(1), uint32(1) // sequence numbers before the round
	if round > 0 {
		client += uint32(s.firstRequest + (round-1)*s.request)
		server += uint32(s.firstResponse + (round*s.packets-1)*s.response)
	}
	request := s.request
	if round == 0 {
		request = s.firstRequest
	}
	if k == 0 {
		return packet{offset: begin, flags: flow.PSH | flow.ACK, payload: request, round: round, sent: client, got: server}
	}
	client += uint32(request)
	part := k - 1
	before := uint32(part * s.response)
	if round == 0 && part > 0 {
		before = uint32(s.firstResponse + (part-1)*s.response)
	}
	p := packet{offset: begin + s.rtt, round: round, part: part, flags: flow.ACK, sent: client, got: server + before}
	if part == s.packets {
		p.offset += packetGap
		return p
	}
	p.fromServer, p.flags, p.payload = true, flow.PSH|flow.ACK, s.response
	p.offset += time.Duration(part) * time.Microsecond
	p.sent, p.got = server+before, client
	if round == 0 && part == 0 {
		p.payload = s.firstResponse
	}
	return p
}
