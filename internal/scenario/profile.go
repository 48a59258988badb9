package scenario

import (
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// profile is how a conversation looks: rounds of one request packet and some
// response packets. Payload lengths in bytes.
type profile struct {
	rounds, request, packets, response span // packets: response packets per round
	pause                              time.Duration
}

// span is an inclusive range to draw from.
type span struct{ low, high int }

func (s span) draw(r *rng) int { return s.low + r.below(s.high-s.low+1) }

var (
	web      = &profile{span{1, 2}, span{180, 700}, span{1, 4}, span{200, 1400}, 400 * time.Millisecond}
	query    = &profile{span{1, 2}, span{60, 400}, span{1, 2}, span{80, 1200}, 60 * time.Millisecond}
	chat     = &profile{span{1, 3}, span{60, 300}, span{1, 1}, span{60, 500}, 300 * time.Millisecond}
	download = &profile{span{1, 1}, span{120, 400}, span{6, 14}, span{1300, 1440}, time.Second}
	upload   = &profile{span{4, 9}, span{1200, 1440}, span{1, 1}, span{12, 40}, 20 * time.Millisecond}
	report   = &profile{span{1, 2}, span{200, 1200}, span{1, 1}, span{20, 60}, 200 * time.Millisecond}
	session  = &profile{span{12, 24}, span{60, 200}, span{1, 2}, span{80, 400}, 20 * time.Second}
	datagram = &profile{span{1, 1}, span{48, 120}, span{1, 1}, span{48, 300}, time.Second}
	ping     = &profile{span{1, 2}, span{56, 56}, span{1, 1}, span{56, 56}, time.Second}
)

// profiles by the name flow lines use.
var profiles = map[string]*profile{
	"web": web, "query": query, "chat": chat, "download": download, "upload": upload, "report": report, "session": session, "datagram": datagram, "ping": ping,
}

// profileOf is what a line without a profile gets for a service.
func profileOf(svc flow.Service) *profile {
	switch {
	case svc.Proto == flow.ICMP || svc.Proto == flow.ICMPv6:
		return ping
	case svc.Proto == flow.UDP:
		return datagram
	}
	switch svc.Port {
	case 80, 443, 8080, 8443, 3128:
		return web
	case 22, 88, 135, 389, 445, 464, 636, 3268, 3389:
		return chat
	case 6514, 8081, 10051:
		return report
	}
	return query
}

// content is what a flow's first payload says.
type content uint8

const (
	contentOpaque content = iota
	contentDNS            // query and answer with an address (RFC 1035)
	contentTLS            // ClientHello with server_name (RFC 8446, RFC 6066)
	contentHTTP           // GET with Host (RFC 9110)
	contentDHCP           // REQUEST and ACK with a host name (RFC 2131, RFC 2132)
	contentNTP            // RFC 5905
)

// contentOf says what is spoken on a service's registered port.
func contentOf(svc flow.Service) content {
	if svc.Proto == flow.UDP {
		switch svc.Port {
		case 53:
			return contentDNS
		case 67:
			return contentDHCP
		case 123:
			return contentNTP
		}
		return contentOpaque
	}
	if svc.Proto != flow.TCP {
		return contentOpaque
	}
	switch svc.Port {
	case 443, 636, 5671, 6514, 8443, 9443:
		return contentTLS
	case 80, 8080, 8081:
		return contentHTTP
	}
	return contentOpaque
}
