package capture_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/capture/capturetest"
	"github.com/bulkhead/bulkhead/flow"
)

// block writes a pcapng block.
func block(o binary.ByteOrder, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	b := make([]byte, 8, 12+len(body))
	o.PutUint32(b, kind)
	o.PutUint32(b[4:], uint32(12+len(body)))
	b = append(b, body...)
	return append(b, ordered(o, uint32(12+len(body)))...)
}

// ordered appends words and bytes in an order.
func ordered(o binary.ByteOrder, parts ...any) (b []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case uint16:
			b = append(b, 0, 0)
			o.PutUint16(b[len(b)-2:], p)
		case uint32:
			b = append(b, 0, 0, 0, 0)
			o.PutUint32(b[len(b)-4:], p)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

// pcapngFile has two interfaces, Ethernet in microseconds and raw IP in 2^-10
// seconds with an offset, an unknown block, and a packet of each kind of block.
func pcapngFile(t testing.TB, big bool) []byte {
	var o binary.ByteOrder = binary.LittleEndian
	if big {
		o = binary.BigEndian
	}
	in := inner(t)
	eth := cat(make([]byte, 12), unhex(t, "0800"), in)
	packet := func(n, hi, lo uint32, data []byte) []byte {
		return block(o, 6, ordered(o, n, hi, lo, uint32(len(data)), uint32(len(data)+7), data))
	}
	offset := ordered(o, uint16(14), uint16(8))
	ten := make([]byte, 8)
	o.PutUint64(ten, 10)
	offset = append(offset, ten...)
	return cat(
		block(o, 0x0a0d0d0a, ordered(o, uint32(0x1a2b3c4d), uint16(1), uint16(0), uint32(0xffffffff), uint32(0xffffffff))),
		block(o, 1, ordered(o, uint16(1), uint16(0), uint32(65535))),
		block(o, 1, ordered(o, uint16(101), uint16(0), uint32(65535), uint16(9), uint16(1), []byte{0x80 | 10, 0, 0, 0}, offset)),
		block(o, 5, make([]byte, 20)), // statistics
		packet(0, 0, 5_000_001, eth),
		packet(1, 0, 3<<10|512, in),
		block(o, 3, ordered(o, uint32(len(eth)), eth)),
		block(o, 2, ordered(o, uint16(1), uint16(0), uint32(0), uint32(4<<10), uint32(len(in)), uint32(len(in)), in)),
	)
}

func read(t *testing.T, r *capture.Reader) (frames []capture.Frame, err error) {
	t.Helper()
	var f capture.Frame
	for err = r.Next(&f); err == nil; err = r.Next(&f) {
		f.Data = bytes.Clone(f.Data)
		frames = append(frames, f)
	}
	return frames, err
}

func TestPcapngInterfacesAndResolutions(t *testing.T) {
	for _, big := range []bool{false, true} {
		r, err := capture.NewReader("test", bytes.NewReader(pcapngFile(t, big)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(t, r)
		if err != io.EOF || len(got) != 4 {
			t.Fatalf("big-endian %v: %d frames, %v", big, len(got), err)
		}
		for i, want := range []struct {
			at   flow.Time
			n    uint32
			link capture.LinkType
		}{{5_000_001_000, 0, 1}, {13_500_000_000, 1, 101}, {13_500_000_000, 0, 1}, {14_000_000_000, 1, 101}} {
			if g := got[i]; g.Time != want.at || g.Interface != want.n || g.Link != want.link {
				t.Errorf("big-endian %v, frame %d: %d on %d, link type %d", big, i, g.Time, g.Interface, g.Link)
			}
		}
		if got[0].Length != uint32(len(got[0].Data)+7) {
			t.Errorf("length %d of %d captured", got[0].Length, len(got[0].Data))
		}
	}
}

func TestClassicFormats(t *testing.T) {
	in := inner(t)
	for _, tt := range []struct {
		name  string
		order binary.ByteOrder
		magic uint32
		extra int
		want  flow.Time
	}{
		{"microseconds", binary.LittleEndian, 0xa1b2c3d4, 0, 7_000_009_000},
		{"microseconds, big-endian", binary.BigEndian, 0xa1b2c3d4, 0, 7_000_009_000},
		{"nanoseconds", binary.LittleEndian, 0xa1b23c4d, 0, 7_000_000_009},
		{"nanoseconds, big-endian", binary.BigEndian, 0xa1b23c4d, 0, 7_000_000_009},
		{"Kuznetzov's", binary.LittleEndian, 0xa1b2cd34, 8, 7_000_009_000},
	} {
		o := tt.order
		file := ordered(o, tt.magic, uint16(2), uint16(4), uint32(0), uint32(0), uint32(65535), uint32(101),
			uint32(7), uint32(9), uint32(len(in)), uint32(1500), make([]byte, tt.extra), in)
		r, err := capture.NewReader("test", bytes.NewReader(file))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got, err := read(t, r)
		if err != io.EOF || len(got) != 1 || got[0].Time != tt.want || got[0].Length != 1500 || !bytes.Equal(got[0].Data, in) {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

func TestCompressedFilesAndProgress(t *testing.T) {
	var plain, zipped, zstded bytes.Buffer
	if _, err := capturetest.Write(&plain, capturetest.Options{Packets: 3000, Flows: 50}); err != nil {
		t.Fatal(err)
	}
	gz := gzip.NewWriter(&zipped)
	zs, err := zstd.NewWriter(&zstded)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{gz, zs} {
		if _, err := w.Write(plain.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range map[string][]byte{"plain": plain.Bytes(), "gzip": zipped.Bytes(), "zstd": zstded.Bytes()} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := capture.Open(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		frames, err := read(t, r)
		done, size := r.Progress()
		if err != io.EOF || len(frames) != 3000 || size != int64(len(b)) || done != size {
			t.Errorf("%s: %d frames, %v, %d of %d bytes", name, len(frames), err, done, size)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDamageIsReportedWithItsPlaceAndRemedy(t *testing.T) {
	var b bytes.Buffer
	if _, err := capturetest.Write(&b, capturetest.Options{Packets: 10, Flows: 3}); err != nil {
		t.Fatal(err)
	}
	insane := bytes.Clone(b.Bytes())
	binary.LittleEndian.PutUint32(insane[24+8:], 1<<31)
	cut := pcapngFile(t, false)
	var zipped bytes.Buffer
	gz := gzip.NewWriter(&zipped)
	if _, err := gz.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		data []byte
		want error
		at   int64 // at least
	}{
		"nothing":        {nil, capture.ErrNotCapture, 0},
		"text":           {[]byte("this is not a capture file at all"), capture.ErrNotCapture, 0},
		"a header alone": {b.Bytes()[:20], capture.ErrNotCapture, 0},
		"cut":            {b.Bytes()[:b.Len()-1], capture.ErrTruncated, 100},
		"cut header":     {b.Bytes()[:24+10], capture.ErrTruncated, 24},
		"insane length":  {insane, capture.ErrDamaged, 24},
		"cut pcapng":     {cut[:len(cut)-2], capture.ErrTruncated, 100},
		"cut gzip":       {zipped.Bytes()[:zipped.Len()/2], capture.ErrTruncated, 24},
	} {
		r, err := capture.NewReader("bad.pcap", bytes.NewReader(tt.data))
		if err == nil {
			_, err = read(t, r)
		}
		var at *capture.FileError
		if !errors.As(err, &at) || !errors.Is(err, tt.want) || at.Path != "bad.pcap" || at.Offset < tt.at {
			t.Errorf("%s: %v", name, err)
		}
	}
}
