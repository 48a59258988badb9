package capture

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/flow"
)

// Magic numbers of the classic format (draft-ietf-opsawg-pcap §4), and the
// variant with longer record headers that Kuznetzov's patches wrote.
const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34
)

// pcap is the state of a classic file.
type pcap struct {
	big    bool
	link   LinkType
	unit   int64 // nanoseconds of one timestamp fraction
	header int   // length of a record header
}

func (r *Reader) openPcap() error {
	h, err := r.peek(24)
	if err != nil {
		return ErrNotCapture
	}
	for _, big := range []bool{false, true} {
		p := pcap{big: big, unit: 1000, header: 16}
		switch p.u32(h) {
		case magicMicro:
		case magicNano:
			p.unit = 1
		case magicModified:
			p.header = 24
		default:
			continue
		}
		p.link = LinkType(p.u32(h[20:]) & 0xffff) // the rest says how long the FCS is
		r.old = p
		r.skip(24)
		return nil
	}
	return ErrNotCapture
}

func (p *pcap) u32(b []byte) uint32 {
	if p.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

// nextPcap reads a record: seconds, fraction, captured length, original length
// (draft-ietf-opsawg-pcap §5).
func (r *Reader) nextPcap(f *Frame) error {
	p := &r.old
	h, err := r.peek(p.header)
	if err != nil {
		return r.failed(err)
	}
	sec, frac, captured, length := p.u32(h), p.u32(h[4:]), p.u32(h[8:]), p.u32(h[12:])
	if captured > maxFrame {
		return r.failed(ErrDamaged)
	}
	b, err := r.peek(p.header + int(captured))
	if err != nil {
		return r.failed(ErrTruncated)
	}
	r.skip(len(b))
	f.Time = flow.Time(int64(sec)*1e9 + int64(frac)*p.unit)
	f.Data = b[p.header:]
	f.Length = max(length, captured)
	f.Link = p.link
	return nil
}
