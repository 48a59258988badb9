package scenario

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/bulkhead/bulkhead/flow"
)

// Capture says how packets are captured. The zero value is a tap that sees all.
type Capture struct {
	// SnapLength is how many bytes of each frame are kept; 0 means 384, enough
	// for every name the estate speaks.
	SnapLength int
	// MidStream is the share of TCP connections, 0 to 1, that were open already
	// when the capture began: their handshakes are missing.
	MidStream float64
	// Routers is how many routers export the traffic, 1 or 2; 0 means 1. Packet
	// captures ignore it.
	Routers int
}

const defaultSnapLength = 384

// WritePcap writes the estate's traffic as a packet capture: classic pcap with
// microseconds, Ethernet with an 802.1Q tag per frame. Frames are cut at 384
// bytes, as sensors do; their headers say the full length.
func (e *Estate) WritePcap(w io.Writer) error { return e.WriteCapture(w, Capture{}) }

// WriteCapture writes the estate's traffic as a packet capture seen under
// conditions.
func (e *Estate) WriteCapture(w io.Writer, c Capture) error {
	if c.SnapLength == 0 {
		c.SnapLength = defaultSnapLength
	}
	out := newPcapWriter(w, c.SnapLength)
	var f frame
	err := e.packets(c, func(at flow.Time, s *shape, p *packet) error {
		data, length := f.packet(e, s, p, c.SnapLength)
		return out.write(at, data, length)
	})
	if err != nil {
		return err
	}
	return out.buf.Flush()
}

// pcapWriter writes the classic pcap format with microseconds
// (draft-ietf-opsawg-pcap).
type pcapWriter struct {
	buf    *bufio.Writer
	hdr    [16]byte
	latest flow.Time // for writers that keep the frames in order
}

// newPcapWriter writes the file header; link type 1 is Ethernet. An error of w
// comes back from write or Flush.
func newPcapWriter(w io.Writer, snap int) *pcapWriter {
	p := &pcapWriter{buf: bufio.NewWriterSize(w, 1<<20)}
	var h [24]byte
	binary.LittleEndian.PutUint32(h[0:], 0xa1b2c3d4)
	binary.LittleEndian.PutUint16(h[4:], 2)
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], uint32(snap))
	binary.LittleEndian.PutUint32(h[20:], 1)
	p.buf.Write(h[:])
	return p
}

// write appends one frame of which data was captured and length was on the wire.
func (p *pcapWriter) write(at flow.Time, data []byte, length int) error {
	binary.LittleEndian.PutUint32(p.hdr[0:], uint32(at/1e9))
	binary.LittleEndian.PutUint32(p.hdr[4:], uint32(at%1e9/1e3))
	binary.LittleEndian.PutUint32(p.hdr[8:], uint32(len(data)))
	binary.LittleEndian.PutUint32(p.hdr[12:], uint32(length))
	if _, err := p.buf.Write(p.hdr[:]); err != nil {
		return err
	}
	_, err := p.buf.Write(data)
	return err
}
