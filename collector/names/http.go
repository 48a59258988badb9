package names

import (
	"bytes"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// methods of RFC 9110 §9 and RFC 5789.
var methods = [][]byte{[]byte("GET "), []byte("POST "), []byte("HEAD "), []byte("PUT "), []byte("DELETE "), []byte("OPTIONS "), []byte("PATCH ")}

// maxHeaders is how much of a request is searched for its Host.
const maxHeaders = 4096

// http reads the Host header (RFC 9110 §7.2) of a request that starts in p.
func (o *Observer) http(p *capture.Packet) bool {
	b := p.Payload[:min(len(p.Payload), maxHeaders)]
	known := false
	for _, m := range methods {
		known = known || bytes.HasPrefix(b, m)
	}
	if !known {
		return true
	}
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return true
		}
		b = b[end+1:]
		if len(b) < 5 || b[0] == '\r' || b[0] == '\n' {
			return true
		}
		if !bytes.EqualFold(b[:5], []byte("host:")) {
			continue
		}
		line, _, _ := bytes.Cut(b[5:], []byte("\n"))
		host := withoutPort(bytes.TrimSpace(line))
		o.add(p.Dst.Netip(), bytes.Clone(host), flow.NameHTTP)
		return true
	}
}

// withoutPort cuts the port off a host, where there is one. IPv6 addresses have
// more colons.
func withoutPort(host []byte) []byte {
	if i := bytes.IndexByte(host, ':'); i >= 0 && i == bytes.LastIndexByte(host, ':') {
		return host[:i]
	}
	return host
}
