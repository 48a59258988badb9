package collector

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/collector/names"
	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/flow"
)

// Sink takes what a collector produces. It must not keep the slices.
type Sink interface {
	Records([]flow.Record) error
	Names([]flow.Name) error
}

// Options configure a collector. The zero value is usable.
type Options struct {
	// Sensor is put into records and names; empty means the file's base name, or
	// the interface's name.
	Sensor string
	// Direction is what the operator knows about who is the client.
	Direction direction.Overrides
	// Assemble configures flows; its Sensor is overridden, and a Seed of 0 is
	// replaced by a random one.
	Assemble assemble.Options
	// Names configures names; an empty Sensor there means this one's.
	Names names.Options
	// WithoutNames does not look for names at all.
	WithoutNames bool
	// NetFlow configures the decoder of NetFlow, IPFIX and sFlow datagrams found
	// among the packets.
	NetFlow netflow.Options
	// WithoutExports takes such datagrams for packets like any other.
	WithoutExports bool
	// WithoutOuter does not count the flow between the two ends of a tunnel beside
	// the flows found inside.
	WithoutOuter bool
	// ExportPorts are the UDP ports that flow exports are looked for on; nil means
	// DefaultExportPorts.
	ExportPorts []uint16
	// Ignore are networks whose packets are dropped (and counted) when either end
	// is in them.
	Ignore []netip.Prefix
	// Progress is called now and then with the bytes of the file read, its size (0:
	// not known) and the frames so far.
	Progress func(read, total int64, packets uint64)
}

// DefaultExportPorts are where exporters send to: NetFlow 2055 and what vendors
// use besides, IPFIX 4739 (RFC 7011 §10.3), sFlow 6343.
var DefaultExportPorts = netflow.Ports[:]
