package plan

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/flow"
)

// Sizes of NetFlow v5's fixed layout.
const (
	V5HeaderSize = 24
	V5RecordSize = 48
	V5MaxRecords = 30 // in one datagram
)

// V5 appends one Row for each whole v5 record in body, the datagram without its
// header, at most count. It returns the rows and the bytes left over.
func V5(body []byte, count int, c *Context, rows []Row) ([]Row, int) {
	for ; count > 0 && len(body) >= V5RecordSize; count-- {
		b := body[:V5RecordSize]
		rows = append(rows, Row{
			Src: Addr4(b[0:4]), Dst: Addr4(b[4:8]),
			InIf: uint32(binary.BigEndian.Uint16(b[12:])), OutIf: uint32(binary.BigEndian.Uint16(b[14:])),
			Packets: uint64(binary.BigEndian.Uint32(b[16:])), Bytes: uint64(binary.BigEndian.Uint32(b[20:])),
			First: c.relative(binary.BigEndian.Uint32(b[24:])), Last: c.relative(binary.BigEndian.Uint32(b[28:])),
			SrcPort: binary.BigEndian.Uint16(b[32:]), DstPort: binary.BigEndian.Uint16(b[34:]),
			Flags: b[37], Proto: b[38],
		})
		body = body[V5RecordSize:]
	}
	return rows, len(body)
}

// V5Sampling reads the header's sampling field: two bits of mode and fourteen of
// interval. 0 means unsampled or unknown.
func V5Sampling(header []byte) uint32 {
	return uint32(binary.BigEndian.Uint16(header[22:]) & 0x3fff)
}

// V5Context reads what record times of a v5 datagram are relative to.
func V5Context(header []byte) Context {
	sec, nsec := binary.BigEndian.Uint32(header[8:]), binary.BigEndian.Uint32(header[12:])
	return Context{
		Version: 5,
		Uptime:  binary.BigEndian.Uint32(header[4:]),
		Export:  flow.Time(sec)*1e9 + flow.Time(nsec),
	}
}
