package plan

// action is what a step does with the bytes of a field.
type action uint8

const (
	skip action = iota
	src4
	dst4
	src6
	dst6
	srcPort
	dstPort
	proto
	flags
	revFlags
	initFlags
	revInitFlags
	packets
	bytes
	totalPackets
	totalBytes
	revPackets
	revBytes
	firstUptime
	lastUptime
	firstSec
	lastSec
	firstMilli
	lastMilli
	firstNTP
	lastNTP
	firstDelta
	lastDelta
	durationMilli
	durationMicro
	boot
	icmpBoth // type<<8|code
	icmpType
	icmpCode
	vlan
	vni
	vrf
	inIf
	outIf
	direction
	biflowDirection
	endReason
	event
	status
	interval // 1-in-N
	sampler
	spacePacket // IE 305: packets taken
	spaceSkip   // IE 306: packets left out
	postSrc4
	postDst4
	postSrc6
	postDst6
	postSrcPort
	postDstPort
)

// slot names a Row field that several elements may fill; free means no rivals.
type slot uint8

const (
	free slot = iota
	slotFirst
	slotLast
	slotPackets
	slotBytes
	slotRevPackets
	slotRevBytes
	slotICMP
	slotVLAN
	slotSrcPort
	slotDstPort
	slotInIf
	slotOutIf
	slotSampler
	slotDuration
	numSlots
)

type element struct {
	what     action
	slot     slot
	rank     uint8 // the higher wins its slot
	min, max uint16
}

// fits reports whether a field of this length can be read. Reduced-size encoding
// (RFC 7011 §6.2) makes integers shorter than their type.
func (e element) fits(length uint16) bool {
	return length == Variable || e.min <= length && length <= e.max
}

func integer(what action, s slot, rank uint8) element { return element{what, s, rank, 1, 8} }
func fixed(what action, s slot, rank uint8, n uint16) element {
	return element{what, s, rank, n, n}
}

func lookup(version uint16, f Field) element {
	switch f.PEN {
	case 0:
		return iana(version, f.ID)
	case reverse:
		return reversed[f.ID]
	case certPEN:
		return cert[f.ID]
	}
	return element{}
}

// iana looks an IANA or v9 element up. Numbers above 32767 exist in v9 only.
func iana(version uint16, id uint16) element {
	if version == 10 && (id == 21 || id == 22) {
		e := elements[id]
		e.rank = 1 // the header has no sysUptime: any other clock is better
		return e
	}
	if version != 9 && id > 0x7fff {
		return element{}
	}
	return elements[id]
}

// twoWay is what postOctetDeltaCount and postPacketDeltaCount mean in a v9
// template that also has IN_BYTES and IN_PKTS: the opposite direction, as nProbe
// exports and nfdump reads it.
func twoWay(id uint16) element {
	if id == 23 {
		return integer(revBytes, slotRevBytes, 5)
	}
	return integer(revPackets, slotRevPackets, 5)
}

// elements by number: IANA's, and Cisco's v9 ones above 32767.
var elements = map[uint16]element{
	8: fixed(src4, free, 0, 4), 12: fixed(dst4, free, 0, 4),
	27: fixed(src6, free, 0, 16), 28: fixed(dst6, free, 0, 16),
	4:   integer(proto, free, 0),
	7:   integer(srcPort, slotSrcPort, 9),
	11:  integer(dstPort, slotDstPort, 9),
	180: integer(srcPort, slotSrcPort, 5), 181: integer(dstPort, slotDstPort, 5), // udp
	182: integer(srcPort, slotSrcPort, 5), 183: integer(dstPort, slotDstPort, 5), // tcp
	6:  integer(flags, free, 0),
	32: integer(icmpBoth, slotICMP, 9), 139: integer(icmpBoth, free, 0),
	176: integer(icmpType, free, 0), 177: integer(icmpCode, free, 0),
	178: integer(icmpType, free, 0), 179: integer(icmpCode, free, 0),

	2: integer(packets, slotPackets, 9), 1: integer(bytes, slotBytes, 9),
	298: integer(packets, slotPackets, 8), 231: integer(bytes, slotBytes, 8), // initiator's
	86: integer(totalPackets, slotPackets, 7), 85: integer(totalBytes, slotBytes, 7),
	24: integer(packets, slotPackets, 6), 23: integer(bytes, slotBytes, 6), // post…
	299: integer(revPackets, slotRevPackets, 8), 232: integer(revBytes, slotRevBytes, 8), // responder's

	156: fixed(firstNTP, slotFirst, 9, 8), 157: fixed(lastNTP, slotLast, 9, 8), // ns
	154: fixed(firstNTP, slotFirst, 8, 8), 155: fixed(lastNTP, slotLast, 8, 8), // µs
	152: integer(firstMilli, slotFirst, 7), 153: integer(lastMilli, slotLast, 7),
	22: integer(firstUptime, slotFirst, 6), 21: integer(lastUptime, slotLast, 6),
	158: integer(firstDelta, slotFirst, 5), 159: integer(lastDelta, slotLast, 5),
	150: integer(firstSec, slotFirst, 4), 151: integer(lastSec, slotLast, 4),
	323: integer(lastMilli, slotLast, 2), // observationTimeMilliseconds: NSEL's event time
	161: integer(durationMilli, slotDuration, 2), 162: integer(durationMicro, slotDuration, 1),
	160: fixed(boot, free, 0, 8),

	10: integer(inIf, slotInIf, 9), 14: integer(outIf, slotOutIf, 9),
	252: integer(inIf, slotInIf, 1), 253: integer(outIf, slotOutIf, 1),
	58: integer(vlan, slotVLAN, 9), 243: integer(vlan, slotVLAN, 8), 59: integer(vlan, slotVLAN, 7),
	351: integer(vni, free, 0), 234: integer(vrf, free, 0),
	61: integer(direction, free, 0), 239: integer(biflowDirection, free, 0),
	136: integer(endReason, free, 0), 89: integer(status, free, 0),
	233: integer(event, free, 0), 40005: integer(event, free, 0),

	34: integer(interval, free, 0), 50: integer(interval, free, 0),
	305: integer(spacePacket, free, 0), 306: integer(spaceSkip, free, 0),
	48: integer(sampler, slotSampler, 2), 302: integer(sampler, slotSampler, 1),

	225: fixed(postSrc4, free, 0, 4), 226: fixed(postDst4, free, 0, 4),
	227: integer(postSrcPort, free, 0), 228: integer(postDstPort, free, 0),
	281: fixed(postSrc6, free, 0, 16), 282: fixed(postDst6, free, 0, 16),
	40001: fixed(postSrc4, free, 0, 4), 40002: fixed(postDst4, free, 0, 4), // ASA 8.x
	40003: integer(postSrcPort, free, 0), 40004: integer(postDstPort, free, 0),
}

// reversed holds the elements RFC 5103 reverses and we read.
var reversed = map[uint16]element{
	1: integer(revBytes, slotRevBytes, 9), 2: integer(revPackets, slotRevPackets, 9),
	85: integer(revBytes, slotRevBytes, 7), 86: integer(revPackets, slotRevPackets, 7),
	6: integer(revFlags, free, 0),
}

// cert holds YAF's elements for TCP flags; 0x4000 marks the reverse direction.
var cert = map[uint16]element{
	14: integer(initFlags, free, 0), 15: integer(flags, free, 0),
	14 | 0x4000: integer(revInitFlags, free, 0), 15 | 0x4000: integer(revFlags, free, 0),
}
