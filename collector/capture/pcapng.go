package capture

import (
	"encoding/binary"
	"io"
	"math/bits"

	"github.com/bulkhead/bulkhead/flow"
)

// Block types (draft-ietf-opsawg-pcapng §11.1).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6
)

// pcapng is the state of a pcapng section.
type pcapng struct {
	big        bool
	interfaces []iface
	first      uint32 // number of interfaces[0] over the whole file
}

// maxInterfaces bounds a section's interfaces; a file that has more is damaged.
const maxInterfaces = 1 << 16

type iface struct {
	link    LinkType
	snap    uint32
	offset  int64  // seconds added to timestamps
	decimal uint64 // units a second, or 0
	shift   uint8  // when decimal is 0: 2^shift units a second
}

func isPcapng(b []byte) bool { return binary.BigEndian.Uint32(b) == blockSection }

func (p *pcapng) order() binary.ByteOrder {
	if p.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// nextNG reads blocks until one holds a frame.
func (r *Reader) nextNG(f *Frame) error {
	for {
		h, err := r.peek(12)
		if err != nil {
			return r.failed(err)
		}
		if isPcapng(h) {
			switch binary.BigEndian.Uint32(h[8:]) { // byte-order magic
			case 0x1a2b3c4d:
				r.ng.big = true
			case 0x4d3c2b1a:
				r.ng.big = false
			default:
				return r.failed(ErrDamaged)
			}
			r.ng.first += uint32(len(r.ng.interfaces))
			r.ng.interfaces = r.ng.interfaces[:0]
		}
		kind, size := r.ng.u32(h), r.ng.u32(h[4:])
		if size < 12 || size%4 != 0 {
			return r.failed(ErrDamaged)
		}
		done, err := r.block(kind, size, f)
		if done || err != nil {
			return r.failed(err)
		}
	}
}

func (p *pcapng) u32(b []byte) uint32 {
	if p.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

// block consumes one block and reports whether it filled f.
func (r *Reader) block(kind, size uint32, f *Frame) (bool, error) {
	switch kind {
	case blockInterface, blockEnhanced, blockSimple, blockPacket:
	default:
		return false, r.skipLong(int64(size))
	}
	if size > maxFrame {
		return false, ErrDamaged
	}
	b, err := r.peek(int(size))
	if err != nil {
		if err == io.EOF {
			err = ErrTruncated
		}
		return false, err
	}
	body := b[8 : size-4]
	ok := false
	switch kind {
	case blockInterface:
		err = r.ng.addInterface(body)
	case blockEnhanced:
		ok, err = r.ng.enhanced(body, f)
	case blockPacket:
		ok, err = r.ng.obsolete(body, f)
	case blockSimple:
		ok, err = r.ng.simple(body, f)
	}
	if err == nil {
		r.skip(int(size))
	}
	return ok, err
}

// addInterface reads an Interface Description Block (§4.2) and its timestamp
// options.
func (p *pcapng) addInterface(b []byte) error {
	if len(b) < 8 || len(p.interfaces) >= maxInterfaces {
		return ErrDamaged
	}
	o := p.order()
	i := iface{link: LinkType(o.Uint16(b)), snap: o.Uint32(b[4:]), decimal: 1e6}
	for b = b[8:]; len(b) >= 4; {
		code, size := o.Uint16(b), int(o.Uint16(b[2:]))
		if code == 0 || 4+size > len(b) {
			break
		}
		v := b[4 : 4+size]
		switch {
		case code == 9 && size >= 1: // if_tsresol
			if err := i.resolution(v[0]); err != nil {
				return err
			}
		case code == 14 && size >= 8: // if_tsoffset
			i.offset = int64(o.Uint64(v))
		}
		b = b[min(4+(size+3)&^3, len(b)):]
	}
	p.interfaces = append(p.interfaces, i)
	return nil
}

func (i *iface) resolution(v byte) error {
	n := v & 0x7f
	if v&0x80 != 0 {
		if n > 62 {
			return ErrDamaged
		}
		i.decimal, i.shift = 0, n
		return nil
	}
	if n > 19 {
		return ErrDamaged
	}
	for i.decimal = 1; n > 0; n-- {
		i.decimal *= 10
	}
	return nil
}

// time converts a timestamp in the interface's units to nanoseconds.
func (i *iface) time(ts uint64) flow.Time {
	var sec, ns uint64
	switch i.decimal {
	case 1e9:
		return flow.Time(int64(ts) + i.offset*1e9)
	case 1e6:
		return flow.Time(int64(ts)*1000 + i.offset*1e9)
	case 0:
		sec = ts >> i.shift
		hi, lo := bits.Mul64(ts&(1<<i.shift-1), 1e9)
		ns = hi<<(64-i.shift) | lo>>i.shift
		if i.shift == 0 {
			ns = 0
		}
	default:
		sec = ts / i.decimal
		hi, lo := bits.Mul64(ts%i.decimal, 1e9)
		ns, _ = bits.Div64(hi, lo, i.decimal)
	}
	return flow.Time(int64(sec)*1e9 + int64(ns) + i.offset*1e9)
}

// enhanced reads an Enhanced Packet Block (§4.3).
func (p *pcapng) enhanced(b []byte, f *Frame) (bool, error) {
	if len(b) < 20 {
		return false, ErrDamaged
	}
	n := p.u32(b)
	ts := uint64(p.u32(b[4:]))<<32 | uint64(p.u32(b[8:]))
	return p.frame(n, ts, p.u32(b[12:]), p.u32(b[16:]), b[20:], f)
}

// obsolete reads a Packet Block (§A of the draft), which Enhanced replaced.
func (p *pcapng) obsolete(b []byte, f *Frame) (bool, error) {
	if len(b) < 20 {
		return false, ErrDamaged
	}
	n := uint32(p.order().Uint16(b))
	ts := uint64(p.u32(b[4:]))<<32 | uint64(p.u32(b[8:]))
	return p.frame(n, ts, p.u32(b[12:]), p.u32(b[16:]), b[20:], f)
}

// simple reads a Simple Packet Block (§4.4): interface 0, and no time. The time
// of the frame before it is kept.
func (p *pcapng) simple(b []byte, f *Frame) (bool, error) {
	if len(b) < 4 || len(p.interfaces) == 0 {
		return false, ErrDamaged
	}
	length := p.u32(b)
	captured := min(length, uint32(len(b)-4))
	if s := p.interfaces[0].snap; s != 0 {
		captured = min(captured, s)
	}
	f.Data, f.Length = b[4:4+captured], length
	f.Link, f.Interface = p.interfaces[0].link, p.first
	return true, nil
}

func (p *pcapng) frame(n uint32, ts uint64, captured, length uint32, b []byte, f *Frame) (bool, error) {
	if n >= uint32(len(p.interfaces)) || captured > uint32(len(b)) {
		return false, ErrDamaged
	}
	i := &p.interfaces[n]
	f.Time, f.Data, f.Length = i.time(ts), b[:captured], max(length, captured)
	f.Link, f.Interface = i.link, p.first+n
	return true, nil
}
