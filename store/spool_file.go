package store

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/ClickHouse/ch-go/proto"
)

// A spool file holds one batch, written once and never changed:
//
//	header   56 bytes: magic, format, table, rows, batch id, CRC-32C of these
//	payload  one block in ClickHouse's Native format
//	footer   16 bytes: payload length, rows again, CRC-32C of header and payload
//
// All integers are little endian. The batch id is the insert's deduplication
// token, so it stays the same however often the file is sent.
const (
	spoolMagic   = "BULKSPL1"
	headerBytes  = 56
	footerBytes  = 16
	spoolVersion = 4 // columns in the order of newColumns; another order is another version
)

// nativeRevision is the protocol revision whose block layout spool files have: no
// custom serialisation, so that it never depends on the server spoken to.
const nativeRevision = 54448

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errCorrupt: a spool file is torn or its checksum is wrong.
var errCorrupt = errors.New("spool file is damaged")

// batchID names a batch for ever: the writer that made it and its number there.
type batchID struct {
	writer [16]byte
	seq    uint64
}

// token is the insert_deduplication_token.
func (b batchID) token() string { return fmt.Sprintf("%s-%d", hex.EncodeToString(b.writer[:]), b.seq) }

// tableCode numbers the tables that can be spooled; the numbers are on disk.
var tableCode = map[string]uint32{"flows": 1, "names": 2, "violations": 3}

func newColumns(code uint32) (columns, error) {
	switch code {
	case 1:
		return newFlowColumns(), nil
	case 2:
		return newNameColumns(), nil
	case 3:
		return newViolationColumns(), nil
	}
	return nil, fmt.Errorf("%w: unknown table %d", errCorrupt, code)
}

type spoolHeader struct {
	version uint32 // of a file read; a file written has spoolVersion
	code    uint32
	rows    uint32
	id      batchID
}

func (h spoolHeader) encode() []byte {
	b := make([]byte, 0, headerBytes)
	b = append(b, spoolMagic...)
	b = binary.LittleEndian.AppendUint32(b, spoolVersion)
	b = binary.LittleEndian.AppendUint32(b, h.code)
	b = binary.LittleEndian.AppendUint32(b, h.rows)
	b = binary.LittleEndian.AppendUint64(b, h.id.seq)
	b = append(b, h.id.writer[:]...)
	b = append(b, make([]byte, headerBytes-4-len(b))...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeHeader(b []byte) (h spoolHeader, err error) {
	if len(b) != headerBytes || string(b[:8]) != spoolMagic ||
		binary.LittleEndian.Uint32(b[headerBytes-4:]) != crc32.Checksum(b[:headerBytes-4], castagnoli) {
		return h, fmt.Errorf("%w: header", errCorrupt)
	}
	h.version = binary.LittleEndian.Uint32(b[8:])
	if _, known := added[h.version]; !known {
		return h, fmt.Errorf("%w: format %d", errCorrupt, h.version)
	}
	h.code = binary.LittleEndian.Uint32(b[12:])
	h.rows = binary.LittleEndian.Uint32(b[16:])
	h.id.seq = binary.LittleEndian.Uint64(b[20:])
	copy(h.id.writer[:], b[28:])
	return h, nil
}

// summing counts and checksums what passes to a writer.
type summing struct {
	to  io.Writer
	n   uint64
	crc uint32
}

func (s *summing) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	s.crc = crc32.Update(s.crc, castagnoli, p[:n])
	s.n += uint64(n)
	return n, err
}

// writeSpoolFile writes a batch to path: whole, under its final name, or not at
// all. sync makes it survive a loss of power, too. It returns the file's size.
func writeSpoolFile(path string, id batchID, c columns, sync bool) (size int64, err error) {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(tmp)
		}
	}()
	if size, err = encodeBatch(f, id, c); err != nil {
		return 0, err
	}
	if sync {
		if err = f.Sync(); err != nil {
			return 0, err
		}
	}
	if err = f.Close(); err != nil {
		return 0, err
	}
	if err = os.Rename(tmp, path); err != nil || !sync {
		return size, err
	}
	return size, syncFolder(filepath.Dir(path))
}

// syncFolder makes a folder's new names survive a loss of power.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func encodeBatch(f io.Writer, id batchID, c columns) (int64, error) {
	out := &summing{to: f}
	head := spoolHeader{code: tableCode[c.table()], rows: uint32(c.rows()), id: id}
	if _, err := out.Write(head.encode()); err != nil {
		return 0, err
	}
	in := c.input()
	block := proto.Block{Rows: c.rows(), Columns: len(in)}
	w := proto.NewWriter(out, new(proto.Buffer))
	if err := block.WriteBlock(w, nativeRevision, in); err != nil {
		return 0, err
	}
	if _, err := w.Flush(); err != nil {
		return 0, err
	}
	foot := make([]byte, 0, footerBytes)
	foot = binary.LittleEndian.AppendUint64(foot, out.n-headerBytes)
	foot = binary.LittleEndian.AppendUint32(foot, head.rows)
	foot = binary.LittleEndian.AppendUint32(foot, out.crc)
	if _, err := f.Write(foot); err != nil {
		return 0, err
	}
	return int64(out.n) + footerBytes, nil
}

// readSpoolHeader tells what a file holds, even when its payload is damaged.
func readSpoolHeader(path string) (spoolHeader, error) {
	f, err := os.Open(path)
	if err != nil {
		return spoolHeader{}, err
	}
	defer f.Close()
	b := make([]byte, headerBytes)
	if _, err := io.ReadFull(f, b); err != nil {
		return spoolHeader{}, fmt.Errorf("%w: header: %w", errCorrupt, err)
	}
	return decodeHeader(b)
}

// readSpoolFile reads a batch back. Every byte is covered by the checksum, which
// is verified before a value is decoded: the error wraps errCorrupt when it fails.
func readSpoolFile(path string) (batchID, columns, error) {
	f, err := os.Open(path)
	if err != nil {
		return batchID{}, nil, err
	}
	defer f.Close()
	head, err := verify(f)
	if err != nil {
		return head.id, nil, fmt.Errorf("%s: %w", path, err)
	}
	c, err := newColumns(head.code)
	if err != nil {
		return head.id, nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := f.Seek(headerBytes, io.SeekStart); err != nil {
		return head.id, nil, err
	}
	var block proto.Block
	r := proto.NewReader(bufio.NewReaderSize(f, 1<<18))
	result := c.result()
	flows, old := c.(*flowColumns)
	if old = old && head.version != spoolVersion; old {
		result = toResults(flows.as(head.version))
	}
	if err := block.DecodeBlock(r, nativeRevision, result); err != nil {
		return head.id, nil, fmt.Errorf("%s: %w: %w", path, errCorrupt, err)
	}
	if old {
		flows.fill(head.version)
	}
	if uint32(c.rows()) != head.rows {
		return head.id, nil, fmt.Errorf("%s: %w: %d rows, header says %d", path, errCorrupt, c.rows(), head.rows)
	}
	return head.id, c, nil
}

// verify checks lengths and checksum of an open spool file.
func verify(f *os.File) (head spoolHeader, err error) {
	info, err := f.Stat()
	if err != nil {
		return head, err
	}
	b := make([]byte, headerBytes)
	if _, err := io.ReadFull(f, b); err != nil {
		return head, fmt.Errorf("%w: header: %w", errCorrupt, err)
	}
	if head, err = decodeHeader(b); err != nil {
		return head, err
	}
	payload := info.Size() - headerBytes - footerBytes
	if payload < 0 {
		return head, fmt.Errorf("%w: torn after %d bytes", errCorrupt, info.Size())
	}
	sum := crc32.New(castagnoli)
	sum.Write(b)
	if _, err := io.CopyN(sum, f, payload); err != nil {
		return head, err
	}
	foot := make([]byte, footerBytes)
	if _, err := io.ReadFull(f, foot); err != nil {
		return head, err
	}
	if binary.LittleEndian.Uint64(foot) != uint64(payload) || binary.LittleEndian.Uint32(foot[8:]) != head.rows ||
		binary.LittleEndian.Uint32(foot[12:]) != sum.Sum32() {
		return head, fmt.Errorf("%w: checksum or length", errCorrupt)
	}
	return head, nil
}
