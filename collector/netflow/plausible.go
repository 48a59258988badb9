package netflow

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
)

// Ports that export protocols are usually sent to: IANA's for IPFIX and sFlow,
// custom for NetFlow.
var Ports = [...]uint16{2055, 2056, 4432, 4739, 6343, 9025, 9555, 9995, 9996}

// Plausible reports whether payload begins like an export datagram: a known
// version and a header that agrees with the length. A capture's reader asks it
// before it takes a UDP datagram for an export rather than for traffic.
func Plausible(payload []byte) bool {
	if len(payload) < ipfixHeaderSize {
		return false
	}
	count := int(binary.BigEndian.Uint16(payload[2:]))
	switch binary.BigEndian.Uint16(payload) {
	case 5:
		return count >= 1 && count <= plan.V5MaxRecords && len(payload) >= plan.V5HeaderSize+count*plan.V5RecordSize
	case 9:
		return len(payload) >= v9HeaderSize && plausibleSet(payload[v9HeaderSize:])
	case 10:
		return count == len(payload) && (count == ipfixHeaderSize || plausibleSet(payload[ipfixHeaderSize:]))
	case 0:
		kind := binary.BigEndian.Uint32(payload[4:])
		return count == 5 && (kind == 1 || kind == 2) && len(payload) >= 28
	}
	return false
}

// plausibleSet reports whether b begins with a set that fits it.
func plausibleSet(b []byte) bool {
	if len(b) < 4 {
		return len(b) == 0
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	return length >= 4 && length <= len(b)
}
