package store

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
)

// timeColumn is a DateTime64(9, 'UTC') kept as nanoseconds. ch-go's own column
// takes its precision from what the server calls the type, and fails on
// SimpleAggregateFunction(min, DateTime64(9, 'UTC')).
type timeColumn struct{ ns proto.ColInt64 }

var _ column = (*timeColumn)(nil)

func (c *timeColumn) append(t flow.Time)     { c.ns = append(c.ns, int64(t)) }
func (c *timeColumn) at(i int) flow.Time     { return flow.Time(c.ns[i]) }
func (c *timeColumn) Type() proto.ColumnType { return "DateTime64(9, 'UTC')" }
func (c *timeColumn) Rows() int              { return len(c.ns) }
func (c *timeColumn) Reset()                 { c.ns.Reset() }

// EncodeColumn, WriteColumn and DecodeColumn are the column's Native form: 64-bit
// integers.
func (c *timeColumn) EncodeColumn(b *proto.Buffer) { c.ns.EncodeColumn(b) }
func (c *timeColumn) WriteColumn(w *proto.Writer)  { c.ns.WriteColumn(w) }
func (c *timeColumn) DecodeColumn(r *proto.Reader, rows int) error {
	return c.ns.DecodeColumn(r, rows)
}
