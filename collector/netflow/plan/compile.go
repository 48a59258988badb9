package plan

import "fmt"

// Variable is the length of a variable-length field (RFC 7011 §3.2).
const Variable = 0xffff

// Field is one field of a template.
type Field struct {
	ID     uint16 // element number without the enterprise bit
	PEN    uint32 // 0 for IANA elements
	Length uint16 // bytes, or Variable
}

// reverse is the private enterprise number under which RFC 5103 §6.1 puts the
// reverse direction of an IANA element; certPEN is YAF's.
const (
	reverse = 29305
	certPEN = 6871
)

// step says what to read and where.
type step struct {
	what  action
	width uint8  // bytes to read, 0 for variable
	at    uint16 // offset in the record, or index of the field when variable
}

// Plan is a compiled template. It is immutable and safe for concurrent use.
type Plan struct {
	steps  []step
	fields []Field // only kept for variable-length templates
	size   int     // bytes of one record; the least when variable
	flow   bool    // has both addresses
	biflow bool
	total  bool
	nsel   bool // has a firewall event
	opener bool // the source is who opened the connection, as Cisco's NSEL has it
}

// Flow reports whether records of this template describe flows: they have a
// source and a destination address.
func (p *Plan) Flow() bool { return p.flow }

// Size is the length of one record in bytes; of the shortest possible one when
// fields are of variable length.
func (p *Plan) Size() int { return p.size }

// Variable reports whether records vary in length.
func (p *Plan) Variable() bool { return p.fields != nil }

// Compile makes the plan of a template. It fails for templates whose records
// could have no length at all, which would never end.
func Compile(version uint16, fields []Field) (*Plan, error) {
	size, variable := MinSize(fields)
	if size == 0 {
		return nil, fmt.Errorf("compile template of %d fields: records have no length", len(fields))
	}
	if size > 0xffff {
		return nil, fmt.Errorf("compile template of %d fields: a record of %d bytes fits no message", len(fields), size)
	}
	p := &Plan{size: size}
	if variable {
		p.fields = append([]Field(nil), fields...)
	}
	// PAN-OS sends firewall events too, but with each direction a record of its own.
	p.opener = has(fields, 40005) || has(fields, 33002) || has(fields, 231) || has(fields, 298)
	chosen := choose(version, fields)
	offset := 0
	for i, f := range fields {
		if a := chosen[i]; a != skip {
			s := step{what: a, at: uint16(offset), width: uint8(min(f.Length, 255))}
			if variable {
				s.at, s.width = uint16(i), 0
			}
			p.steps = append(p.steps, s)
			p.note(a)
		}
		offset += int(f.Length)
	}
	return p, nil
}

// MinSize is the length of the shortest record of a template: a variable-length
// field takes at least its one length byte (RFC 7011 §7).
func MinSize(fields []Field) (size int, variable bool) {
	for _, f := range fields {
		if f.Length == Variable {
			size, variable = size+1, true
			continue
		}
		size += int(f.Length)
	}
	return size, variable
}

func (p *Plan) note(a action) {
	switch a {
	case revPackets, revBytes:
		p.biflow = true
	case totalBytes, totalPackets:
		p.total = true
	case event:
		p.nsel = true
	}
	p.flow = p.has(src4, src6) && p.has(dst4, dst6)
}

func (p *Plan) has(a, b action) bool {
	for _, s := range p.steps {
		if s.what == a || s.what == b {
			return true
		}
	}
	return false
}

// choose gives each field its action. Where several fields tell the same thing
// (two clocks, two counters), the best one wins and the others are skipped.
func choose(version uint16, fields []Field) []action {
	actions := make([]action, len(fields))
	var best [numSlots]int // index+1 of the best field for a slot
	hasBytes, hasPackets := has(fields, 1), has(fields, 2)
	for i, f := range fields {
		e := lookup(version, f)
		if version == 9 && f.PEN == 0 && (f.ID == 23 && hasBytes || f.ID == 24 && hasPackets) {
			e = twoWay(f.ID) // nProbe's OUT_BYTES beside IN_BYTES: the other direction
		}
		if e.what == skip || !e.fits(f.Length) {
			continue
		}
		actions[i] = e.what
		if e.slot == free {
			continue
		}
		if j := best[e.slot]; j > 0 {
			if lookupRank(version, fields[j-1]) >= e.rank {
				actions[i] = skip
				continue
			}
			actions[j-1] = skip
		}
		best[e.slot] = i + 1
	}
	return actions
}

func has(fields []Field, id uint16) bool {
	for _, f := range fields {
		if f.ID == id && f.PEN == 0 {
			return true
		}
	}
	return false
}

func lookupRank(version uint16, f Field) uint8 { return lookup(version, f).rank }
