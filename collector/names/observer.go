package names

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// Options configure an Observer. The zero value is usable.
type Options struct {
	// MaxNames bounds the observations held before they are handed on; 0 means
	// 16,384.
	MaxNames int
	// Interval hands on what was gathered at least this often; 0 means a minute.
	Interval time.Duration
	Sensor   string
	// ScopeVLAN and ScopeVNI give each VLAN or virtual network an address space of
	// its own, as for flows.
	ScopeVLAN, ScopeVNI bool
}

// Stats count what an Observer did.
type Stats struct {
	Looked    uint64 // packets looked into
	Found     uint64 // observations, before they were merged
	Malformed uint64 // packets that promised a name and could not be parsed
	Refused   uint64 // names refused: too long, or not printable
	Panics    uint64 // recovered in a parser
	Limited   uint64 // QUIC packets not opened, because too many came in a second
	Emitted   uint64
}

// Drops are the packets looked into that gave nothing, though they promised a name.
func (s *Stats) Drops() (d flow.Drops) {
	d.Add(flow.DropMalformed, s.Malformed)
	d.Add(flow.DropPanic, s.Panics)
	d.Add(flow.DropLimited, s.Limited)
	return d
}

// Merge adds the counters of another Observer.
func (s *Stats) Merge(o *Stats) {
	s.Looked += o.Looked
	s.Found += o.Found
	s.Malformed += o.Malformed
	s.Refused += o.Refused
	s.Panics += o.Panics
	s.Limited += o.Limited
	s.Emitted += o.Emitted
}

type observation struct {
	addr  netip.Addr
	scope flow.Scope
	name  string
	kind  flow.NameKind
}

// Observer gathers names. It is not safe for concurrent use.
type Observer struct {
	o      Options
	emit   func([]flow.Name) error
	seen   map[observation]*flow.Name
	due    flow.Time
	now    flow.Time
	lease  leases
	hellos hellos
	scope  flow.Scope // of the packet looked into

	streams  streams
	opened   int       // QUIC packets, in the second openedIn
	openedIn flow.Time // seconds
	stats    Stats
	err      error
}

// New returns an Observer that hands names to emit, which must not keep the slice.
func New(o Options, emit func([]flow.Name) error) *Observer {
	if o.MaxNames <= 0 {
		o.MaxNames = 16384
	}
	if o.Interval <= 0 {
		o.Interval = time.Minute
	}
	return &Observer{o: o, emit: emit, seen: make(map[observation]*flow.Name)}
}

// Stats returns what was counted so far.
func (o *Observer) Stats() Stats { return o.stats }

// early is how many packets of one direction are looked into for a name that
// stands at the beginning of a connection.
const early = 8

// Packet looks for names in p, the nth packet of its direction of its flow.
func (o *Observer) Packet(p *capture.Packet, nth uint32) {
	switch p.Proto {
	case flow.UDP:
		if port := min(p.SrcPort, p.DstPort); port > 138 && !telling(p.SrcPort) && !telling(p.DstPort) {
			if nth > quicEarly || !quicStart(p.Payload) {
				return
			}
		}
	case flow.TCP:
		if nth > early || len(p.Payload) < 12 {
			return
		}
		if o.hellos.open > 0 {
			if b := o.hellos.next(p); b != nil {
				o.whole(p, b)
				return
			}
		}
		if b := p.Payload[0]; b != 0x16 && (b < 'A' || b > 'Z') && p.SrcPort != 53 && !directoryPort(p.SrcPort) {
			return
		}
	default:
		return
	}
	o.look(p)
}

// telling are the ports above 138 of datagrams with names.
func telling(port uint16) bool { return port == 5353 || port == 5355 || port == 389 }

// directoryPort are those of Kerberos, LDAP and the global catalogue.
func directoryPort(port uint16) bool { return port == 88 || port == 389 || port == 3268 }

// look parses p behind a recovery, so that a parser's fault costs one packet.
func (o *Observer) look(p *capture.Packet) {
	o.now, o.scope = p.Time, p.Scope(o.o.ScopeVLAN, o.o.ScopeVNI)
	if o.now >= o.due {
		o.flushIfDue()
	}
	o.stats.Looked++
	defer func() {
		if recover() != nil {
			o.stats.Panics++
		}
	}()
	ok := true
	switch {
	case p.Proto == flow.TCP && p.SrcPort == 53:
		ok = o.dns(p.Payload[2:], flow.NameDNS) // after the length, RFC 1035 §4.2.2
	case p.SrcPort == 88:
		ok = o.kerberos(p)
	case p.SrcPort == 389, p.SrcPort == 3268:
		ok = o.ldap(p)
	case p.Proto == flow.TCP && p.Payload[0] == 0x16:
		ok = o.tls(p)
	case p.Proto == flow.TCP:
		ok = o.http(p)
	case p.SrcPort == 53, p.SrcPort == 5355:
		ok = o.dns(p.Payload, flow.NameDNS)
	case p.SrcPort == 5353:
		ok = o.dns(p.Payload, flow.NameMDNS)
	case p.SrcPort == 137:
		ok = o.netbios(p.Payload)
	case p.SrcPort == 138:
		ok = o.datagram(p)
	case p.SrcPort == 67, p.SrcPort == 68:
		ok = o.dhcp(p.Payload)
	case p.SrcPort > 138 && p.DstPort > 138 && quicStart(p.Payload):
		o.quic(p)
	}
	if !ok {
		o.stats.Malformed++
	}
}

// whole reads a ClientHello that came in several segments, of which p is the last.
func (o *Observer) whole(p *capture.Packet, b []byte) {
	o.now, o.scope = p.Time, p.Scope(o.o.ScopeVLAN, o.o.ScopeVNI)
	o.stats.Looked++
	name, ok := ServerName(b)
	if len(name) > 0 {
		o.add(p.Dst.Netip(), withoutPort(name), flow.NameSNI)
	}
	if !ok {
		o.stats.Malformed++
	}
}

// add records that addr goes by name. name may be changed.
func (o *Observer) add(addr netip.Addr, name []byte, kind flow.NameKind) {
	name, ok := clean(name)
	if !ok || !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		o.stats.Refused++
		return
	}
	o.stats.Found++
	addr = addr.Unmap()
	n, ok := o.seen[observation{addr, o.scope, string(name), kind}] // does not allocate
	if !ok {
		if len(o.seen) >= o.o.MaxNames {
			o.flushed()
		}
		n = &flow.Name{Addr: addr, Scope: o.scope, Name: string(name), Kind: kind, First: o.now, Last: o.now, Sensor: o.o.Sensor}
		o.seen[observation{addr, o.scope, n.Name, kind}] = n
	}
	n.First, n.Last = min(n.First, o.now), max(n.Last, o.now)
	n.Count++
}

// Rescope says which address spaces there are from now on; names gathered keep
// theirs.
func (o *Observer) Rescope(byVLAN, byVNI bool) { o.o.ScopeVLAN, o.o.ScopeVNI = byVLAN, byVNI }

// flushed is Flush where the error can wait until the end.
func (o *Observer) flushed() { _ = o.Flush() } // kept in o.err

// Advance lets time pass without a packet; what is due is handed on.
func (o *Observer) Advance(now flow.Time) {
	o.now = max(o.now, now)
	if o.now >= o.due {
		o.flushIfDue()
	}
}

func (o *Observer) flushIfDue() {
	if o.due != 0 {
		o.flushed()
	}
	o.due = o.now.Add(o.o.Interval)
}

// Flush hands on everything gathered, sorted by time, address and name. It
// returns the first error of emit.
func (o *Observer) Flush() error {
	if len(o.seen) == 0 {
		return o.err
	}
	out := make([]flow.Name, 0, len(o.seen))
	for _, n := range o.seen {
		out = append(out, *n)
	}
	slices.SortFunc(out, func(a, b flow.Name) int {
		switch {
		case a.First != b.First:
			return int(min(1, max(-1, a.First-b.First)))
		case a.Addr != b.Addr:
			return a.Addr.Compare(b.Addr)
		case a.Name != b.Name:
			return strings.Compare(a.Name, b.Name)
		}
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Scope, b.Scope))
	})
	clear(o.seen)
	if o.err == nil {
		if o.err = o.emit(out); o.err == nil {
			o.stats.Emitted += uint64(len(out))
		}
	}
	return o.err
}

// clean lower-cases a name in place and takes off the trailing dot. Names that are
// empty, an address, too long or not printable ASCII are refused.
func clean(name []byte) ([]byte, bool) {
	name = bytes.TrimSuffix(name, []byte("."))
	if len(name) == 0 || len(name) > 253 {
		return nil, false
	}
	letters := false
	for i, c := range name {
		if c <= ' ' || c > '~' || c == ':' { // no host has a colon, addresses do
			return nil, false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
			name[i] = c
		}
		letters = letters || c > 'f'
	}
	if !letters { // it may be an address
		if _, err := netip.ParseAddr(string(bytes.Trim(name, "[]"))); err == nil {
			return nil, false
		}
	}
	return name, true
}
