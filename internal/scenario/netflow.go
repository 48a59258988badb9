package scenario

import (
	"encoding/binary"

	"github.com/bulkhead/bulkhead/flow"
)

// field is an information element and its length in bytes. Numbers are those of
// the IANA IPFIX registry, which keeps NetFlow v9's (RFC 7012 §4).
type field struct{ id, length uint16 }

const (
	template4 = 256
	template6 = 257
)

// commonFields follow the addresses in both families' templates.
var commonFields = []field{
	{7, 2},  // sourceTransportPort
	{11, 2}, // destinationTransportPort
	{4, 1},  // protocolIdentifier
	{6, 1},  // tcpControlBits
	{1, 8},  // octetDeltaCount
	{2, 8},  // packetDeltaCount
	{10, 4}, // ingressInterface
	{14, 4}, // egressInterface
	{58, 2}, // vlanId
}

var (
	addresses4 = []field{{8, 4}, {12, 4}}    // sourceIPv4Address, destinationIPv4Address
	addresses6 = []field{{27, 16}, {28, 16}} // sourceIPv6Address, destinationIPv6Address
	uptimes    = []field{{22, 4}, {21, 4}}   // flowStartSysUpTime, flowEndSysUpTime
	instants   = []field{{152, 8}, {153, 8}} // flowStartMilliseconds, flowEndMilliseconds
)

// recordLength is how long a record with these times is.
func recordLength(addresses, times []field) (n int) {
	for _, fields := range [][]field{addresses, commonFields, times} {
		for _, f := range fields {
			n += int(f.length)
		}
	}
	return n
}

// appendTemplate appends one template record (RFC 3954 §5.2, RFC 7011 §3.4.1).
func appendTemplate(b []byte, id uint16, addresses, times []field) []byte {
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, uint16(len(addresses)+len(commonFields)+len(times)))
	for _, fields := range [][]field{addresses, commonFields, times} {
		for _, f := range fields {
			b = binary.BigEndian.AppendUint16(b, f.id)
			b = binary.BigEndian.AppendUint16(b, f.length)
		}
	}
	return b
}

// appendCommon appends the addresses and commonFields of a record.
func appendCommon(b []byte, h *half) []byte {
	b = append(b, h.src.AsSlice()...)
	b = append(b, h.dst.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, h.srcPort)
	b = binary.BigEndian.AppendUint16(b, h.dstPort)
	b = append(b, h.proto, h.flags)
	b = binary.BigEndian.AppendUint64(b, h.bytes)
	b = binary.BigEndian.AppendUint64(b, h.packets)
	b = binary.BigEndian.AppendUint32(b, h.in)
	b = binary.BigEndian.AppendUint32(b, h.out)
	return binary.BigEndian.AppendUint16(b, h.vlan)
}

// closeSet pads the set that began at from to four bytes and fills in its length.
func closeSet(b []byte, from int) []byte {
	for (len(b)-from)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[from+2:], uint16(len(b)-from))
	return b
}

func openSet(b []byte, id uint16) []byte {
	return append(binary.BigEndian.AppendUint16(b, id), 0, 0)
}

// milliseconds since boot, as NetFlow has them: 32 bits that wrap.
func uptime(boot, t flow.Time) uint32 { return uint32((t - boot) / 1e6) }

// netflow9 encodes NetFlow version 9 (RFC 3954).
type netflow9 struct{ sequence uint32 }

func (*netflow9) port() uint16       { return 2055 }
func (*netflow9) carries(*half) bool { return true }

func (*netflow9) size(v4, v6 int) int {
	return 20 + 2*4 + 2*4 + templatesLength + v4*recordLength(addresses4, uptimes) + v6*recordLength(addresses6, uptimes)
}

// templatesLength is what both templates take, with the header of their set.
const templatesLength = 4 + 2*(4+13*4)

func (n *netflow9) datagram(b []byte, boot, now flow.Time, v4, v6 []half, templates bool) []byte {
	count := len(v4) + len(v6)
	if templates {
		count += 2
	}
	b = binary.BigEndian.AppendUint16(b, 9)
	b = binary.BigEndian.AppendUint16(b, uint16(count))
	b = binary.BigEndian.AppendUint32(b, uptime(boot, now))
	b = binary.BigEndian.AppendUint32(b, uint32(now/1e9))
	b = binary.BigEndian.AppendUint32(b, n.sequence)
	b = binary.BigEndian.AppendUint32(b, 1) // source id
	n.sequence++
	if templates {
		from := len(b)
		b = openSet(b, 0)
		b = appendTemplate(b, template4, addresses4, uptimes)
		b = appendTemplate(b, template6, addresses6, uptimes)
		b = closeSet(b, from)
	}
	for id, records := range [][]half{v4, v6} {
		if len(records) == 0 {
			continue
		}
		from := len(b)
		b = openSet(b, template4+uint16(id))
		for i := range records {
			b = appendCommon(b, &records[i])
			b = binary.BigEndian.AppendUint32(b, uptime(boot, records[i].first))
			b = binary.BigEndian.AppendUint32(b, uptime(boot, records[i].last))
		}
		b = closeSet(b, from)
	}
	return b
}

// ipfix encodes IPFIX (RFC 7011).
type ipfix struct{ sequence uint32 }

func (*ipfix) port() uint16       { return 4739 }
func (*ipfix) carries(*half) bool { return true }

func (*ipfix) size(v4, v6 int) int {
	return 16 + 2*4 + 2*4 + templatesLength + v4*recordLength(addresses4, instants) + v6*recordLength(addresses6, instants)
}

func (x *ipfix) datagram(b []byte, _, now flow.Time, v4, v6 []half, templates bool) []byte {
	b = binary.BigEndian.AppendUint16(b, 10)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(now/1e9))
	b = binary.BigEndian.AppendUint32(b, x.sequence)
	b = binary.BigEndian.AppendUint32(b, 1) // observation domain
	x.sequence += uint32(len(v4) + len(v6)) // data records sent before (RFC 7011 §3.1)
	if templates {
		from := len(b)
		b = openSet(b, 2)
		b = appendTemplate(b, template4, addresses4, instants)
		b = appendTemplate(b, template6, addresses6, instants)
		b = closeSet(b, from)
	}
	for id, records := range [][]half{v4, v6} {
		if len(records) == 0 {
			continue
		}
		from := len(b)
		b = openSet(b, template4+uint16(id))
		for i := range records {
			b = appendCommon(b, &records[i])
			b = binary.BigEndian.AppendUint64(b, uint64(records[i].first/1e6))
			b = binary.BigEndian.AppendUint64(b, uint64(records[i].last/1e6))
		}
		b = closeSet(b, from)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

// netflow5 encodes NetFlow version 5 (Cisco, "NetFlow Export Datagram Formats",
// tables B-3 and B-4).
type netflow5 struct{ sequence uint32 }

func (*netflow5) port() uint16 { return 2055 }

// carries refuses IPv6, which version 5 cannot say.
func (*netflow5) carries(h *half) bool { return h.src.Is4() }

// size allows the thirty records that a datagram of version 5 may have.
func (*netflow5) size(v4, _ int) int {
	if v4 > 30 {
		return maxDatagram + 1
	}
	return 0
}

func (n *netflow5) datagram(b []byte, boot, now flow.Time, v4, _ []half, _ bool) []byte {
	b = binary.BigEndian.AppendUint16(b, 5)
	b = binary.BigEndian.AppendUint16(b, uint16(len(v4)))
	b = binary.BigEndian.AppendUint32(b, uptime(boot, now))
	b = binary.BigEndian.AppendUint32(b, uint32(now/1e9))
	b = binary.BigEndian.AppendUint32(b, uint32(now%1e9))
	b = binary.BigEndian.AppendUint32(b, n.sequence)
	b = append(b, 0, 0, 0, 0)
	n.sequence += uint32(len(v4))
	for i := range v4 {
		h := &v4[i]
		b = append(b, h.src.AsSlice()...)
		b = append(b, h.dst.AsSlice()...)
		b = append(b, 0, 0, 0, 0) // next hop
		b = binary.BigEndian.AppendUint16(b, uint16(h.in))
		b = binary.BigEndian.AppendUint16(b, uint16(h.out))
		b = binary.BigEndian.AppendUint32(b, uint32(h.packets))
		b = binary.BigEndian.AppendUint32(b, uint32(h.bytes))
		b = binary.BigEndian.AppendUint32(b, uptime(boot, h.first))
		b = binary.BigEndian.AppendUint32(b, uptime(boot, h.last))
		b = binary.BigEndian.AppendUint16(b, h.srcPort)
		b = binary.BigEndian.AppendUint16(b, h.dstPort)
		b = append(b, 0, h.flags, h.proto, 0)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // AS numbers, masks, padding
	}
	return b
}
