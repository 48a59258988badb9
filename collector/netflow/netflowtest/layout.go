package netflowtest

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/flow"
)

// field is one field of a layout: its element, its length, and its value.
type field struct {
	id, length uint16
	value      func(*Encoder, *Half) uint64
	address    func(*Half) []byte // instead of value
}

// layout is a template of twenty fields, as routers send.
type layout struct {
	id     uint16
	fields []field
}

var (
	layout4 = layout{256, fields(true)}
	layout6 = layout{257, fields(false)}
)

func fields(v4 bool) []field {
	src, dst, size := uint16(27), uint16(28), uint16(16)
	if v4 {
		src, dst, size = 8, 12, 4
	}
	zero := func(*Encoder, *Half) uint64 { return 0 }
	return []field{
		{id: src, length: size, address: func(h *Half) []byte { return h.Key.Client.AsSlice() }},
		{id: dst, length: size, address: func(h *Half) []byte { return h.Key.Server.AsSlice() }},
		{id: 7, length: 2, value: func(_ *Encoder, h *Half) uint64 { return uint64(h.Key.ClientPort) }},
		{id: 11, length: 2, value: func(_ *Encoder, h *Half) uint64 { return uint64(h.Key.ServerPort) }},
		{id: 4, length: 1, value: func(_ *Encoder, h *Half) uint64 { return uint64(h.Key.Proto) }},
		{id: 6, length: 1, value: func(_ *Encoder, h *Half) uint64 { return uint64(h.Flags) }},
		{id: 5, length: 1, value: zero}, // type of service
		{id: 10, length: 2, value: func(_ *Encoder, h *Half) uint64 { return uint64(h.InIf) }},
		{id: 14, length: 2, value: func(_ *Encoder, h *Half) uint64 { return uint64(h.OutIf) }},
		{id: 2, length: 8, value: func(_ *Encoder, h *Half) uint64 { return h.Packets }},
		{id: 1, length: 8, value: func(_ *Encoder, h *Half) uint64 { return h.Bytes }},
		{id: 22, length: 4, value: func(e *Encoder, h *Half) uint64 { return e.clock(h.First) }},
		{id: 21, length: 4, value: func(e *Encoder, h *Half) uint64 { return e.clock(h.Last) }},
		{id: 16, length: 4, value: zero}, {id: 17, length: 4, value: zero}, // autonomous systems
		{id: 9, length: 1, value: zero}, {id: 13, length: 1, value: zero}, // prefix lengths
		{id: 61, length: 1, value: zero}, // ingress
		{id: 58, length: 2, value: func(_ *Encoder, h *Half) uint64 { return uint64(h.VLAN) }},
		{id: 136, length: 1, value: func(_ *Encoder, h *Half) uint64 { return uint64(h.End) }},
	}
}

// element gives the field's number and length in e's format: IPFIX says times in
// absolute milliseconds, v9 in uptime.
func (f field) element(e *Encoder) (id, length uint16) {
	if e.Format == IPFIX {
		switch f.id {
		case 22:
			return 152, 8
		case 21:
			return 153, 8
		}
	}
	return f.id, f.length
}

func (e *Encoder) clock(t flow.Time) uint64 {
	if e.Format == IPFIX {
		return uint64(t / 1e6)
	}
	return uint64(e.since(t))
}

// templates appends both templates in one set.
func (e *Encoder) templates(b []byte) []byte {
	be := binary.BigEndian
	start := len(b)
	id := uint16(0)
	if e.Format == IPFIX {
		id = 2
	}
	b = be.AppendUint16(b, id)
	b = be.AppendUint16(b, 0)
	for _, l := range []layout{layout4, layout6} {
		b = be.AppendUint16(b, l.id)
		b = be.AppendUint16(b, uint16(len(l.fields)))
		for _, f := range l.fields {
			id, length := f.element(e)
			b = be.AppendUint16(b, id)
			b = be.AppendUint16(b, length)
		}
	}
	be.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

func (e *Encoder) dataSet(b []byte, l layout, halves []Half) []byte {
	be := binary.BigEndian
	start := len(b)
	b = be.AppendUint16(b, l.id)
	b = be.AppendUint16(b, 0)
	for i := range halves {
		for _, f := range l.fields {
			if f.address != nil {
				b = append(b, f.address(&halves[i])...)
				continue
			}
			_, length := f.element(e)
			var v [8]byte
			be.PutUint64(v[:], f.value(e, &halves[i]))
			b = append(b, v[8-length:]...)
		}
	}
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	be.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}
