package store

import (
	"net/netip"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
)

// addr is the inverse of netip.Addr.As16 for our columns: IPv4 is unmapped, and
// the unspecified IPv6 address stays what it is.
func addr(b proto.IPv6) netip.Addr { return netip.AddrFrom16(b).Unmap() }

// nameColumns are the columns of names.
type nameColumns struct {
	addr        proto.ColIPv6
	scope       proto.ColUInt32
	name        proto.ColStr
	kind        proto.ColUInt8
	sensor      sensorColumn
	first, last timeColumn
	count       proto.ColUInt64
}

func newNameColumns() *nameColumns {
	c := &nameColumns{}
	c.sensor.init()
	return c
}

func (c *nameColumns) table() string { return "names" }
func (c *nameColumns) rows() int     { return len(c.kind) }

func (c *nameColumns) append(n *flow.Name) {
	c.addr = append(c.addr, n.Addr.As16())
	c.scope = append(c.scope, uint32(n.Scope))
	c.name.Append(n.Name)
	c.kind = append(c.kind, uint8(n.Kind))
	c.sensor.append(n.Sensor)
	c.first.append(n.First)
	c.last.append(n.Last)
	c.count = append(c.count, n.Count)
}

func (c *nameColumns) all() []namedColumn {
	return []namedColumn{
		{"addr", &c.addr}, {"scope", &c.scope}, {"name", &c.name}, {"kind", &c.kind}, {"sensor", &c.sensor},
		{"first", &c.first}, {"last", &c.last}, {"count", &c.count},
	}
}

func (c *nameColumns) input() proto.Input    { return toInput(c.all()) }
func (c *nameColumns) result() proto.Results { return toResults(c.all()) }
func (c *nameColumns) reset()                { resetAll(c.all()) }

// sensorColumn is a LowCardinality(String) filled through our own dictionary:
// ch-go's generic column hashes every string when it is sent.
type sensorColumn struct {
	proto.ColLowCardinalityRaw
	index   proto.ColStr
	keys    map[string]uint16
	last    string
	lastKey uint16
}

func (c *sensorColumn) init() {
	c.Index = &c.index
	c.Key = proto.KeyUInt16
	c.keys = map[string]uint16{}
}

func (c *sensorColumn) append(s string) {
	if s != c.last || len(c.Keys16) == 0 {
		key, known := c.keys[s]
		if !known {
			key = uint16(len(c.keys))
			c.keys[s] = key
			c.index.Append(s)
		}
		c.last, c.lastKey = s, key
	}
	c.Keys16 = append(c.Keys16, c.lastKey)
}

// distinct is how many sensor names the column holds.
func (c *sensorColumn) distinct() int { return len(c.keys) }

// row returns the name in row i, also of a column read from the network, whose
// keys may have another width.
func (c *sensorColumn) row(i int) string {
	var key int
	switch c.Key {
	case proto.KeyUInt8:
		key = int(c.Keys8[i])
	case proto.KeyUInt16:
		key = int(c.Keys16[i])
	case proto.KeyUInt32:
		key = int(c.Keys32[i])
	default:
		key = int(c.Keys64[i])
	}
	return c.index.Row(key)
}

// Reset empties the column and its dictionary.
func (c *sensorColumn) Reset() {
	c.ColLowCardinalityRaw.Reset()
	c.index.Reset()
	c.Key = proto.KeyUInt16
	clear(c.keys)
	c.last, c.lastKey = "", 0
}
