// Package netflowtest makes flow export datagrams for tests and benchmarks: it
// encodes flow.Records as NetFlow v5, v9 or IPFIX the way a router would, each
// direction a record of its own, and sends datagrams at a set pace.
//
// It is the inverse of package netflow and shares no code with it, so that one
// can test the other.
package netflowtest

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/flow"
)

// Format is an export protocol.
type Format uint16

// The formats, numbered as their headers are.
const (
	V5    Format = 5
	V9    Format = 9
	IPFIX Format = 10
)

// Half is one direction of a flow, as a unidirectional exporter reports it.
type Half struct {
	Key            flow.Key // Client is the source
	Packets, Bytes uint64
	First, Last    flow.Time
	Flags          uint8
	InIf, OutIf    uint16
	VLAN           uint16 // v9 and IPFIX
	End            flow.EndReason
}

// Halves splits a record into the directions that carried packets.
func Halves(r *flow.Record) []Half {
	h := Half{Key: r.Key, First: r.First, Last: r.Last, InIf: 1, OutIf: 2, VLAN: r.VLAN, End: r.End}
	var out []Half
	if r.ClientPackets > 0 {
		c := h
		c.Packets, c.Bytes, c.Flags = r.ClientPackets, r.ClientBytes, r.ClientFlags
		out = append(out, c)
	}
	if r.ServerPackets > 0 {
		s := h
		s.Key, s.InIf, s.OutIf = r.Key.Reverse(), 2, 1
		s.Packets, s.Bytes, s.Flags = r.ServerPackets, r.ServerBytes, r.ServerFlags
		if s.Key.Proto == flow.ICMP || s.Key.Proto == flow.ICMPv6 {
			s.Key.ClientPort, s.Key.ServerPort = 0, replyTo(s.Key.Proto, s.Key.ClientPort)
		}
		out = append(out, s)
	}
	return out
}

// replyTo is the ICMP type and code that answers a request.
func replyTo(proto uint8, typeCode uint16) uint16 {
	switch {
	case proto == flow.ICMP && typeCode == 8<<8:
		return 0
	case proto == flow.ICMPv6 && typeCode == 128<<8:
		return 129 << 8
	}
	return typeCode
}

// Encoder encodes the datagrams of one exporter and domain; it counts sequence
// numbers. It is not safe for concurrent use.
type Encoder struct {
	Format Format
	Domain uint32
	// Boot is when the exporter started, which sysUptime counts from.
	Boot flow.Time
	// PerDatagram is the most records in one; 0 means 24 (v5) or 20.
	PerDatagram int
	// TemplateEvery puts the templates into every n-th datagram, and the first; 0
	// means 100.
	TemplateEvery int

	sequence uint32
	sent     int
}

// Datagrams encodes halves, in order, as sent at time at.
func (e *Encoder) Datagrams(halves []Half, at flow.Time) [][]byte {
	per := e.PerDatagram
	if per == 0 {
		per = 20
		if e.Format == V5 {
			per = 24
		}
	}
	var out [][]byte
	for len(halves) > 0 {
		n := run(halves, per)
		out = append(out, e.datagram(halves[:n], at))
		halves = halves[n:]
	}
	return out
}

// run is how many halves at the start share an address family, at most limit:
// one data set holds records of one template.
func run(halves []Half, limit int) int {
	n := 1
	for n < len(halves) && n < limit && halves[n].Key.Client.Is4() == halves[0].Key.Client.Is4() {
		n++
	}
	return n
}

func (e *Encoder) datagram(halves []Half, at flow.Time) []byte {
	every := e.TemplateEvery
	if every == 0 {
		every = 100
	}
	withTemplates := e.sent%every == 0
	e.sent++
	if e.Format == V5 {
		return e.v5(halves, at)
	}
	layout := layout4
	if !halves[0].Key.Client.Is4() {
		layout = layout6
	}
	var b []byte
	if e.Format == V9 {
		b = append(b, make([]byte, 20)...)
	} else {
		b = append(b, make([]byte, 16)...)
	}
	if withTemplates {
		b = e.templates(b)
	}
	b = e.dataSet(b, layout, halves)
	e.header(b, len(halves), withTemplates, at)
	return b
}

func (e *Encoder) header(b []byte, records int, withTemplates bool, at flow.Time) {
	be := binary.BigEndian
	be.PutUint16(b, uint16(e.Format))
	if e.Format == V9 {
		if withTemplates {
			records += 2
		}
		be.PutUint16(b[2:], uint16(records))
		be.PutUint32(b[4:], e.uptime(at))
		be.PutUint32(b[8:], uint32(at/1e9))
		be.PutUint32(b[12:], e.sequence)
		be.PutUint32(b[16:], e.Domain)
		e.sequence++
		return
	}
	be.PutUint16(b[2:], uint16(len(b)))
	be.PutUint32(b[4:], uint32(at/1e9))
	be.PutUint32(b[8:], e.sequence)
	be.PutUint32(b[12:], e.Domain)
	e.sequence += uint32(records)
}

// uptime is the milliseconds since boot, in 32 bits. v9 headers have whole
// seconds beside it, so at is taken down to the second there.
func (e *Encoder) uptime(at flow.Time) uint32 {
	if e.Format == V9 {
		at -= at % 1e9
	}
	return e.since(at)
}

func (e *Encoder) since(t flow.Time) uint32 { return uint32((t - e.Boot) / 1e6) }

func (e *Encoder) v5(halves []Half, at flow.Time) []byte {
	be := binary.BigEndian
	b := make([]byte, 24+48*len(halves))
	be.PutUint16(b, 5)
	be.PutUint16(b[2:], uint16(len(halves)))
	be.PutUint32(b[4:], e.since(at))
	be.PutUint32(b[8:], uint32(at/1e9))
	be.PutUint32(b[12:], uint32(at%1e9))
	be.PutUint32(b[16:], e.sequence)
	be.PutUint16(b[20:], uint16(e.Domain))
	e.sequence += uint32(len(halves))
	for i := range halves {
		h, r := &halves[i], b[24+48*i:]
		src, dst := h.Key.Client.As4(), h.Key.Server.As4()
		copy(r, src[:])
		copy(r[4:], dst[:])
		be.PutUint16(r[12:], h.InIf)
		be.PutUint16(r[14:], h.OutIf)
		be.PutUint32(r[16:], uint32(h.Packets))
		be.PutUint32(r[20:], uint32(h.Bytes))
		be.PutUint32(r[24:], e.since(h.First))
		be.PutUint32(r[28:], e.since(h.Last))
		be.PutUint16(r[32:], h.Key.ClientPort)
		be.PutUint16(r[34:], h.Key.ServerPort)
		r[37], r[38] = h.Flags, h.Key.Proto
	}
	return b
}
