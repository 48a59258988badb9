package scenario

import (
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// Header lengths in bytes. A SYN carries one option, the maximum segment size
// (RFC 9293 §3.7.1).
const (
	ipv4Header = 20
	ipv6Header = 40
	tcpHeader  = 20
	udpHeader  = 8
	icmpHeader = 8
	synOption  = 4
)

// synAttempts is how often a client without an answer sends its SYN, after 0, 1
// and 3 seconds (RFC 6298 §5).
const synAttempts = 3

// windowsTag marks roles whose workloads run Windows.
const windowsTag = "windows"

// shape is everything about one flow that its packets are made from. Packet
// counts and lengths of a shape and of the packets written for it are the same.
type shape struct {
	link       *link
	begin      flow.Time
	rtt, pause time.Duration
	port       uint16 // of the client; the identifier of ICMP echo
	v6         bool
	content    content
	name       string // the queried name, or the server name of TLS or HTTP
	answer     int32  // host whose address a DNS answer carries; -1 for none

	rounds, packets             int // of request and response; response packets per round
	request, response           int // payload bytes of one packet
	firstRequest, firstResponse int
	seed                        uint64
}

// shapeOf draws the flow that begins at t.
func (e *Estate) shapeOf(l int32, t flow.Time, r rng) shape {
	k := &e.links[l]
	ln := &e.lines[k.line]
	p := ln.profile
	if p == nil {
		p = profileOf(k.svc)
	}
	s := shape{link: k, begin: t, answer: -1, v6: e.speaksIPv6(k)}
	s.rtt = time.Duration(200+r.below(1800)) * time.Microsecond
	if e.hosts[k.server].outside() || e.hosts[k.client].outside() {
		s.rtt += time.Duration(8+r.below(40)) * time.Millisecond
	}
	s.pause = (p.pause/2 + time.Duration(r.below(int(p.pause)))).Truncate(time.Microsecond)
	s.port = uint16(32768 + r.below(28232)) // Linux: net.ipv4.ip_local_port_range
	s.rounds, s.packets = p.rounds.draw(&r), p.packets.draw(&r)
	s.request, s.response = p.request.draw(&r), p.response.draw(&r)
	s.firstRequest, s.firstResponse = s.request, s.response
	s.seed = r.next()
	if !e.opts.Noise.Renumber {
		s.content = contentOf(k.svc)
		e.fill(&s, &r)
	}
	return s
}

// fill sets the name and the first payload's lengths from the content.
func (e *Estate) fill(s *shape, r *rng) {
	switch s.content {
	case contentDNS:
		s.rounds, s.packets = 1, 1
		s.answer = e.wanted(s.link, r)
		s.name = e.fqdn(s.answer)
		if s.name == "" {
			s.name, s.answer = e.spec.Domain, s.link.server
		}
		s.firstRequest, s.firstResponse = dnsLengths(s.name, e.hosts[s.answer].v4.IsValid())
	case contentTLS:
		s.name = e.serverName(s.link)
		s.firstRequest = helloLength(s.name)
	case contentHTTP:
		s.name, s.rounds = e.serverName(s.link), 1
		s.firstRequest = httpLength(s.name)
	case contentDHCP:
		s.port, s.rounds, s.packets = 68, 1, 1
		s.name = e.hosts[s.link.client].name
		s.firstRequest = dhcpLength(s.name)
		s.firstResponse = s.firstRequest
	case contentNTP:
		s.rounds, s.packets = 1, 1
		if e.tagged(s.link.client, windowsTag) {
			s.port = 123 // w32time speaks from the server's port, others do not
		}
		s.firstRequest, s.firstResponse = 48, 48
	}
}

// wanted returns a server the client of the link is about to use, for it to ask
// the name of.
func (e *Estate) wanted(k *link, r *rng) int32 {
	first, last := e.byClient[k.client], e.byClient[k.client+1]
	return e.links[first+int32(r.below(int(last-first)))].server
}

// serverName is the name a client puts into its TLS or HTTP request.
func (e *Estate) serverName(k *link) string {
	if n := e.lines[k.line].Name; n != "" && !e.opts.Noise.NoNames {
		return n
	}
	return e.fqdn(k.server)
}

// fqdn returns the full name of a host, "" when it has none.
func (e *Estate) fqdn(h int32) string { return e.fqdns[h] }

// nameHosts sets every host's full name: the short one in the scenario's domain;
// outside, the domain name it is known by.
func (e *Estate) nameHosts() {
	e.fqdns = make([]string, len(e.hosts))
	for i := range e.hosts {
		h := &e.hosts[i]
		switch {
		case e.opts.Noise.NoNames || h.name == "":
		case h.outside():
			e.fqdns[i] = strings.ToLower(h.name)
		default:
			e.fqdns[i] = h.name + "." + e.spec.Domain
		}
	}
}

func (e *Estate) speaksIPv6(k *link) bool {
	c, s := &e.hosts[k.client], &e.hosts[k.server]
	if k.svc.Proto == flow.ICMP {
		return false
	}
	return !c.v4.IsValid() || !s.v4.IsValid() || (c.v6.IsValid() && s.v6.IsValid() && contentOf(k.svc) != contentDHCP)
}

// sums returns what the flow adds up to: packets and layer 3 bytes each way, the
// TCP control bits, and how long it lasts.
func (s *shape) sums(r *flow.Record) {
	ip := uint64(ipv4Header)
	if s.v6 {
		ip = ipv6Header
	}
	switch s.link.svc.Proto {
	case flow.TCP:
		s.tcpSums(r, ip+tcpHeader)
	case flow.UDP:
		s.datagramSums(r, ip+udpHeader)
	default:
		s.datagramSums(r, ip+icmpHeader)
	}
	r.First = s.begin
	r.Last = s.begin.Add(s.duration())
}

func (s *shape) tcpSums(r *flow.Record, header uint64) {
	switch s.link.outcome {
	case flow.Refused:
		r.ClientPackets, r.ClientBytes, r.ClientFlags = 1, header+synOption, flow.SYN
		r.ServerPackets, r.ServerBytes, r.ServerFlags = 1, header, flow.RST|flow.ACK
		return
	case flow.Unanswered:
		r.ClientPackets, r.ClientBytes, r.ClientFlags = synAttempts, synAttempts*(header+synOption), flow.SYN
		return
	}
	rounds, packets := uint64(s.rounds), uint64(s.rounds*s.packets)
	r.ClientPackets = 4 + 2*rounds // SYN, ACK, FIN, last ACK; request and its acknowledgement
	r.ServerPackets = 2 + packets  // SYN, FIN; responses
	r.ClientBytes = r.ClientPackets*header + synOption + uint64(s.firstRequest) + (rounds-1)*uint64(s.request)
	r.ServerBytes = r.ServerPackets*header + synOption + uint64(s.firstResponse) + (packets-1)*uint64(s.response)
	r.ClientFlags = flow.SYN | flow.ACK | flow.PSH | flow.FIN
	r.ServerFlags = r.ClientFlags
}

func (s *shape) datagramSums(r *flow.Record, header uint64) {
	n := uint64(s.rounds)
	r.ClientPackets = n
	r.ClientBytes = n*header + uint64(s.firstRequest) + (n-1)*uint64(s.request)
	if s.link.outcome == flow.Established {
		r.ServerPackets = n
		r.ServerBytes = n*header + uint64(s.firstResponse) + (n-1)*uint64(s.response)
	}
}

// duration is the time from the first packet to the last.
func (s *shape) duration() time.Duration {
	tcp := s.link.svc.Proto == flow.TCP
	switch s.link.outcome {
	case flow.Refused:
		if tcp {
			return s.rtt
		}
		return time.Duration(s.rounds-1) * s.pause
	case flow.Established:
		if tcp {
			return s.tcpEnd()
		}
		return time.Duration(s.rounds-1)*s.pause + s.rtt
	}
	if tcp {
		return 3 * time.Second
	}
	return time.Duration(s.rounds-1) * s.pause
}

// tcpEnd is the offset of the last ACK: handshake, the rounds with a pause after
// each but the last, FIN both ways.
func (s *shape) tcpEnd() time.Duration {
	return s.rtt + time.Duration(s.rounds)*(s.rtt+packetGap) + time.Duration(s.rounds-1)*s.pause + s.rtt + packetGap
}

// packetGap is the time between two packets sent back to back.
const packetGap = 50 * time.Microsecond
