package plan

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/flow"
)

// scratch holds what one record says that only makes sense together.
type scratch struct {
	firstUp, lastUp   uint32
	hasFirst, hasLast bool
	boot              flow.Time
	duration          flow.Time
	taken, left       uint32
	icmp              uint16
	hasICMP, sureICMP bool // sure: type and code in elements of their own
}

// Decode appends one Row for each record in set, the body of a data set without
// its header, until rows is full: it never allocates. It returns the rows and the
// number of bytes not decoded: further records when rows is full, else padding or a
// record cut short.
func (p *Plan) Decode(set []byte, c *Context, rows []Row) ([]Row, int) {
	if p.fields != nil {
		return p.decodeVariable(set, c, rows)
	}
	for len(set) >= p.size && len(rows) < cap(rows) {
		rows = rows[:len(rows)+1]
		r := &rows[len(rows)-1]
		*r = Row{}
		var x scratch
		for i := range p.steps {
			s := &p.steps[i]
			r.apply(s.what, set[s.at:int(s.at)+int(s.width)], c, &x)
		}
		p.finish(r, c, &x)
		set = set[p.size:]
	}
	return rows, len(set)
}

// Count is the number of records in set, which sequence numbers need even of
// templates that describe no flows.
func (p *Plan) Count(set []byte) int {
	if p.fields == nil {
		return len(set) / p.size
	}
	n := 0
	for {
		size := p.record(set, nil)
		if size < 0 {
			return n
		}
		n++
		set = set[size:]
	}
}

// maxFields bounds the positions kept while a variable-length record is read; it
// is the most fields a template may have.
const maxFields = 512

func (p *Plan) decodeVariable(set []byte, c *Context, rows []Row) ([]Row, int) {
	var where [maxFields][2]uint16 // start and end of each field
	for len(rows) < cap(rows) {
		size := p.record(set, &where)
		if size < 0 {
			break
		}
		rows = rows[:len(rows)+1]
		r := &rows[len(rows)-1]
		*r = Row{}
		var x scratch
		for _, s := range p.steps {
			r.applyChecked(s.what, set[where[s.at][0]:where[s.at][1]], c, &x)
		}
		p.finish(r, c, &x)
		set = set[size:]
	}
	return rows, len(set)
}

// record measures the record at the start of set and notes where its fields are;
// -1 when there is no whole record.
func (p *Plan) record(set []byte, where *[maxFields][2]uint16) int {
	if len(set) < p.size {
		return -1
	}
	pos := 0
	for i, f := range p.fields {
		n := int(f.Length)
		if f.Length == Variable {
			var head int
			if n, head = variableLength(set[min(pos, len(set)):]); n < 0 {
				return -1
			}
			pos += head
		}
		if pos+n > len(set) {
			return -1
		}
		if where != nil && i < maxFields {
			where[i] = [2]uint16{uint16(pos), uint16(pos + n)}
		}
		pos += n
	}
	return pos
}

// variableLength reads the length prefix of RFC 7011 §7: one byte, or 255 and two
// bytes. It returns the length of the value and of the prefix; -1 when cut short.
func variableLength(b []byte) (n, prefix int) {
	switch {
	case len(b) >= 1 && b[0] < 255:
		return int(b[0]), 1
	case len(b) >= 3:
		return int(binary.BigEndian.Uint16(b[1:])), 3
	}
	return -1, 0
}

// applyChecked is apply for values whose length the template did not fix: one
// that has not the length its element needs is skipped.
func (r *Row) applyChecked(a action, b []byte, c *Context, x *scratch) {
	switch a {
	case src4, dst4, postSrc4, postDst4:
		if len(b) != 4 {
			return
		}
	case src6, dst6, postSrc6, postDst6:
		if len(b) != 16 {
			return
		}
	case firstNTP, lastNTP, boot:
		if len(b) != 8 {
			return
		}
	default:
		if len(b) == 0 || len(b) > 8 {
			return
		}
	}
	r.apply(a, b, c, x)
}

// number reads a big-endian integer of 1 to 8 bytes (reduced-size encoding,
// RFC 7011 §6.2).
func number(b []byte) uint64 {
	switch len(b) {
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 1:
		return uint64(b[0])
	case 8:
		return binary.BigEndian.Uint64(b)
	}
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// clamp32 keeps a number that must fit 32 bits.
func clamp32(n uint64) uint32 { return uint32(min(n, 1<<32-1)) }
