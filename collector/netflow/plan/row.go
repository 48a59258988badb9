package plan

import (
	"encoding/binary"
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// Addr is an IP address in 128 bits, IPv4 as IPv4-mapped IPv6 (RFC 4291
// §2.5.5.2). The zero Addr is ::, which also stands for no address. It is what
// tables hash and compare: smaller than netip.Addr and free of pointers.
type Addr struct{ Hi, Lo uint64 }

const mapped = 0xffff << 32 // the low half of ::ffff:0:0/96

// Addr4 reads an IPv4 address.
func Addr4(b []byte) Addr { return Addr{Lo: mapped | uint64(binary.BigEndian.Uint32(b))} }

// Addr16 reads an IPv6 address; IPv4-mapped ones become IPv4.
func Addr16(b []byte) Addr {
	return Addr{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// AddrOf converts a.
func AddrOf(a netip.Addr) Addr {
	if !a.IsValid() {
		return Addr{}
	}
	b := a.As16()
	return Addr16(b[:])
}

// Is4 reports whether a is an IPv4 address.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo>>32 == 0xffff }

// Unspecified reports whether a is 0.0.0.0, :: or no address.
func (a Addr) Unspecified() bool { return a.Hi == 0 && (a.Lo == 0 || a.Lo == mapped) }

// Less orders addresses; IPv4 comes before global IPv6.
func (a Addr) Less(b Addr) bool { return a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo }

// Std converts back.
func (a Addr) Std() netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte{byte(a.Lo >> 24), byte(a.Lo >> 16), byte(a.Lo >> 8), byte(a.Lo)})
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	return netip.AddrFrom16(b)
}

// Event is what a firewall reports instead of, or besides, counters.
type Event uint8

// Firewall events (IE 233; Cisco ASA NSEL uses the same numbers).
const (
	EventNone Event = iota
	EventCreated
	EventDeleted
	EventDenied
	EventAlert
	EventUpdate
)

// Initiator says which end of a row the exporter holds to have opened the flow.
type Initiator uint8

const (
	InitiatorUnknown Initiator = iota
	InitiatorSource            // NSEL and RFC 5103 biflows, biflowDirection 1
	InitiatorDest              // biflowDirection 2: reverse initiator
)

// Row is one export record. Counters are as exported: per direction, layer 3,
// unscaled. Rev fields are 0 unless the record is a biflow.
type Row struct {
	Src, Dst         Addr
	SrcPort, DstPort uint16
	Proto            uint8
	Flags, RevFlags  uint8 // union of TCP control bits
	// InitFlags and RevInitFlags are the flags of the first packet each way,
	// which YAF exports (PEN 6871); 0 when not exported.
	InitFlags, RevInitFlags uint8

	Event     Event
	Initiator Initiator
	End       flow.EndReason
	Biflow    bool // the template has reverse counters
	Total     bool // counters are totals since the flow began (IE 85, 86), not deltas
	Egress    bool // flowDirection (IE 61) is 1
	Dropped   bool // forwardingStatus (IE 89) says the packets were dropped

	First, Last flow.Time // 0: not exported

	Packets, Bytes       uint64
	RevPackets, RevBytes uint64

	InIf, OutIf uint32
	VNI         uint32
	VRF         uint32 // ingressVRFID (IE 234); 0: the global table, or not exported
	Sampling    uint32 // 1-in-N; as decoded: given in the record itself; 0 when absent
	Sampler     uint32 // samplerId or selectorId; 0 when absent
	VLAN        uint16
	Encap       flow.Encap

	// What a NAT made of the tuple (IE 225–228, 281, 282); zero when not exported.
	PostSrc, PostDst         Addr
	PostSrcPort, PostDstPort uint16
}

// Context is what a record's times are relative to: the datagram's header.
type Context struct {
	Version uint16
	Export  flow.Time // when the datagram was sent, by the exporter's clock
	Uptime  uint32    // sysUptime in ms; v5 and v9 only
	Boot    flow.Time // systemInitTime (IE 160) learned from options; IPFIX only
}

// relative converts an uptime in milliseconds. sysUptime is a 32-bit counter that
// wraps after 49.7 days (RFC 3954 §5.1): the difference is taken modulo 2³² and
// read as signed, so flows up to 24.8 days back survive a wrap.
func (c *Context) relative(uptime uint32) flow.Time {
	if c.Boot != 0 {
		return c.Boot + flow.Time(uptime)*1e6
	}
	return c.Export + flow.Time(int32(uptime-c.Uptime))*1e6
}

// Multicast reports whether a is an IPv4 or IPv6 multicast address, or IPv4's
// limited broadcast.
func (a Addr) Multicast() bool {
	if a.Is4() {
		v := uint32(a.Lo)
		return v>>28 == 0xe || v == 0xffffffff
	}
	return a.Hi>>56 == 0xff
}
