package capture_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/capture/capturetest"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// FuzzWalk: whatever a frame holds, the walk neither panics nor costs more than its
// bounds; what it returns lies within the frame.
func FuzzWalk(f *testing.F) {
	for _, e := range encapsulations(f) {
		f.Add(uint32(e.link), e.data, uint32(len(e.data)))
		f.Add(uint32(e.link), e.data[:len(e.data)/2], uint32(len(e.data)))
	}
	for _, link := range []capture.LinkType{capture.LinkWLAN, capture.LinkRadioTap, capture.LinkPrism, capture.LinkPFLog, capture.LinkFDDI} {
		f.Add(uint32(link), make([]byte, 64), uint32(64))
	}
	f.Fuzz(func(t *testing.T, link uint32, data []byte, length uint32) {
		var w capture.Walker
		var p, q capture.Packet
		why := flow.DropNone
		testenv.Hostile.Hold(t, func() {
			frame := capture.Frame{Data: data, Length: length, Link: capture.LinkType(link % 300)}
			why = w.Walk(&frame, &p)
		})
		if why != flow.DropNone {
			return
		}
		if len(p.Payload) > len(data) {
			t.Errorf("a payload of %d bytes in a frame of %d", len(p.Payload), len(data))
		}
		if outer := w.Outer(&p); outer != nil && outer.OuterSrc != (capture.Addr{}) {
			t.Error("the outer packet has an outer packet")
		}
		w.Quoted(&p, &q)
	})
}

// unpacked are the bounds for a file: a zstd frame may ask for a window of its own,
// and a few bytes of gzip hold a thousand times as many.
var unpacked = testenv.Bounds{CPU: 250 * time.Millisecond, Bytes: 160 << 20}

// FuzzReader: any bytes are read to their end, or to an error that says where, within
// bounds.
func FuzzReader(f *testing.F) {
	var b bytes.Buffer
	if _, err := capturetest.Write(&b, capturetest.Options{Packets: 5, Flows: 2}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(pcapngFile(f, false))
	f.Add(pcapngFile(f, true))
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x41, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		bounds := unpacked
		if len(data) < 4 || data[0] != 0x1f && data[0] != 0x28 {
			bounds = testenv.Hostile
		}
		bounds.Hold(t, func() { readAll(t, data) })
	})
}

func readAll(t *testing.T, data []byte) {
	r, err := capture.NewReader("fuzz", bytes.NewReader(data))
	var at *capture.FileError
	if err != nil {
		if r != nil || !errors.As(err, &at) {
			t.Errorf("reader %v, error %v", r, err)
		}
		return
	}
	var frame capture.Frame
	for err = r.Next(&frame); err == nil; err = r.Next(&frame) {
		r.Ready()
	}
	if err != io.EOF && !errors.As(err, &at) {
		t.Errorf("error %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
