package scenario

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
)

// Names returns the names the flows carry: DNS answers, TLS and HTTP server
// names, DHCP host names; sorted by address, name and kind. They are those of the
// payloads that WritePcap writes.
func (e *Estate) Names() []flow.Name {
	if e.opts.Noise.NoNames || e.opts.Noise.Renumber {
		return nil
	}
	seen := map[nameKey]*flow.Name{}
	counts := make([]int, 0, e.opts.Days)
	for l := range e.links {
		k := &e.links[l]
		if c := contentOf(k.svc); c == contentOpaque || c == contentNTP || k.outcome != flow.Established {
			continue
		}
		counts = e.counts(int32(l), counts)
		for day, n := range counts {
			for i := range n {
				if t, r := e.moment(int32(l), day, i, n); !e.missing(day) && e.happens(int32(l), t) {
					e.observe(seen, e.shapeOf(int32(l), t, r))
				}
			}
		}
	}
	out := make([]flow.Name, 0, len(seen))
	for _, n := range seen {
		out = append(out, *n)
	}
	slices.SortFunc(out, func(a, b flow.Name) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

type nameKey struct {
	addr netip.Addr
	name string
	kind flow.NameKind
}

// observe adds what one flow says about names.
func (e *Estate) observe(seen map[nameKey]*flow.Name, s shape) {
	var key nameKey
	server := e.hosts[s.link.server].addr(s.v6)
	switch s.content {
	case contentDNS:
		if s.link.sees == clientOnly {
			return
		}
		key = nameKey{e.answerAddr(&s), s.name, flow.NameDNS}
	case contentTLS:
		key = nameKey{server, s.name, flow.NameSNI}
	case contentHTTP:
		key = nameKey{server, s.name, flow.NameHTTP}
	case contentDHCP:
		key = nameKey{e.hosts[s.link.client].addr(s.v6), s.name, flow.NameDHCP}
	}
	if key.name == "" || (s.link.sees == serverOnly && s.content != contentDNS) {
		return
	}
	n := seen[key]
	if n == nil {
		n = &flow.Name{Addr: key.addr, Name: key.name, Kind: key.kind, First: s.begin, Sensor: Sensor}
		seen[key] = n
	}
	n.First, n.Last = min(n.First, s.begin), max(n.Last, s.begin)
	n.Count++
}

// answerAddr is the address a DNS answer carries: A where the host has IPv4,
// else AAAA.
func (e *Estate) answerAddr(s *shape) netip.Addr {
	h := &e.hosts[s.answer]
	return h.addr(!h.v4.IsValid())
}
