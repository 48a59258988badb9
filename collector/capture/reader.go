package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// blockSize is how much is read at a time: small enough to stay in a core's
// second-level cache between read(2) and the walk. Reading so is faster than
// mapping the file, where each header is a miss in memory (8.0 against 4.9
// million packets per CPU second).
const blockSize = 256 << 10

// maxFrame bounds one record. Nothing on a wire comes near; a length beyond it
// means that the file is damaged.
const maxFrame = 16 << 20

// Errors that a damaged or foreign file is reported with, inside a FileError.
var (
	ErrNotCapture = errors.New("not a pcap or pcapng file; convert it with editcap -F pcapng")
	ErrTruncated  = errors.New("file ends inside a record; it was cut off while being written or copied, and everything before was read")
	ErrDamaged    = errors.New("record lengths make no sense; everything before was read, and pcapfix may recover what follows")
)

// FileError says where in a file reading failed.
type FileError struct {
	Path   string
	Offset int64 // in the file as it is after decompression
	Err    error
}

func (e *FileError) Error() string {
	return fmt.Sprintf("read capture %s at offset %d: %v", e.Path, e.Offset, e.Err)
}
func (e *FileError) Unwrap() error { return e.Err }

// Reader reads frames from one pcap or pcapng file, which may be compressed with
// gzip or zstd and may be a pipe. It is not safe for concurrent use.
type Reader struct {
	path  string
	raw   *counter // as stored, for progress
	in    io.Reader
	close []func() error

	buf        []byte
	start, end int   // unread part of buf
	base       int64 // offset of buf[0]
	atEOF      bool

	next func(*Frame) error
	ng   pcapng
	old  pcap
	size int64
}

// Open opens path, or standard input when path is "-".
func Open(path string) (*Reader, error) {
	if path == "-" {
		return NewReader("standard input", os.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	r, err := NewReader(path, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		r.size = st.Size()
	}
	r.close = append(r.close, f.Close)
	return r, nil
}

// NewReader reads in, which path names in errors. It finds out by the first bytes
// what in is.
func NewReader(path string, in io.Reader) (*Reader, error) {
	r := &Reader{path: path, raw: &counter{in: in}, buf: make([]byte, blockSize)}
	r.in = r.raw
	head, err := r.peek(4)
	if err != nil {
		return nil, r.failed(ErrNotCapture)
	}
	switch {
	case head[0] == 0x1f && head[1] == 0x8b:
		err = r.decompress(func(in io.Reader) (io.Reader, func() error, error) {
			z, err := gzip.NewReader(in)
			return z, func() error { return nil }, err
		})
	case head[0] == 0x28 && head[1] == 0xb5 && head[2] == 0x2f && head[3] == 0xfd:
		err = r.decompress(func(in io.Reader) (io.Reader, func() error, error) {
			z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
			return z, func() error { z.Close(); return nil }, err
		})
	}
	if err != nil {
		return nil, r.failed(err)
	}
	if head, err = r.peek(4); err != nil {
		return nil, r.failed(ErrNotCapture)
	}
	if isPcapng(head) {
		r.next = r.nextNG
		return r, nil
	}
	if err := r.openPcap(); err != nil {
		return nil, r.failed(err)
	}
	r.next = r.nextPcap
	return r, nil
}

// Next fills f with the next frame. f.Data is valid until the next call. It
// returns io.EOF at the end, and a *FileError when the file is damaged.
func (r *Reader) Next(f *Frame) error { return r.next(f) }

// Ready reports whether Next will leave the data of earlier frames where it is.
func (r *Reader) Ready() bool {
	have := r.end - r.start
	if r.old.header != 0 {
		return have >= r.old.header && have >= r.old.header+int(r.old.u32(r.buf[r.start+8:]))
	}
	// Another block than a packet may be followed by one that is not there yet.
	return have >= 12 && r.ng.u32(r.buf[r.start:]) == blockEnhanced && have >= int(r.ng.u32(r.buf[r.start+4:]))
}

// Progress returns how many bytes of the file as stored were read, and its size
// (0 when that is not known).
func (r *Reader) Progress() (read, size int64) { return r.raw.n, r.size }

// Close closes the file.
func (r *Reader) Close() error {
	var err error
	for i := len(r.close) - 1; i >= 0; i-- {
		err = errors.Join(err, r.close[i]())
	}
	r.close = nil
	return err
}

func (r *Reader) decompress(open func(io.Reader) (io.Reader, func() error, error)) error {
	in, closer, err := open(&prefixed{r.buf[r.start:r.end], r.raw})
	if err != nil {
		return fmt.Errorf("decompress: %w", err)
	}
	r.close = append(r.close, closer)
	r.in, r.buf, r.start, r.end, r.atEOF = in, make([]byte, blockSize), 0, 0, false
	return nil
}

// peek returns the next n bytes without consuming them, io.EOF when there are
// none at all and ErrTruncated when there are fewer.
func (r *Reader) peek(n int) ([]byte, error) {
	if r.end-r.start >= n {
		return r.buf[r.start : r.start+n], nil
	}
	return r.fill(n)
}

func (r *Reader) skip(n int) { r.start += n }

func (r *Reader) fill(n int) ([]byte, error) {
	if n > maxFrame {
		return nil, ErrDamaged
	}
	r.base += int64(r.start)
	rest := copy(r.buf, r.buf[r.start:r.end])
	r.start, r.end = 0, rest
	for r.end < n && !r.atEOF {
		if r.end == len(r.buf) { // as far as there is something to put there: lengths may lie
			more := min(2*len(r.buf), n+blockSize)
			r.buf = append(make([]byte, 0, more), r.buf[:r.end]...)[:more]
		}
		m, err := r.in.Read(r.buf[r.end:])
		r.end += m
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			r.atEOF = true
		case err != nil:
			return nil, err
		}
	}
	switch {
	case r.end >= n:
		return r.buf[:n], nil
	case r.end == 0:
		return nil, io.EOF
	}
	return nil, ErrTruncated
}

// skipLong discards n bytes, which may be more than the buffer holds.
func (r *Reader) skipLong(n int64) error {
	for n > 0 {
		if r.start == r.end {
			if _, err := r.peek(1); err != nil {
				return ErrTruncated
			}
		}
		m := min(n, int64(r.end-r.start))
		r.start += int(m)
		n -= m
	}
	return nil
}

// failed wraps err with where it happened; io.EOF and a context's end pass.
func (r *Reader) failed(err error) error {
	if err == nil || err == io.EOF || errors.Is(err, context.Canceled) {
		return err
	}
	return &FileError{Path: r.path, Offset: r.base + int64(r.start), Err: err}
}

type counter struct {
	in io.Reader
	n  int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.in.Read(b)
	c.n += int64(n)
	return n, err
}

// prefixed gives back what was read too far.
type prefixed struct {
	head []byte
	in   io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.in.Read(b)
}
