package nft

import (
	"fmt"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

// Expr is one step of a rule: a match that lets the rule go on, or a statement
// that does something. The set of implementations is closed, so that text, netlink
// form and read-back can be proven to say the same.
type Expr interface {
	fmt.Stringer // as nft writes it
}

// Field is a part of a packet that sets are looked up by.
type Field uint8

const (
	SrcAddr4 Field = iota
	DstAddr4
	SrcAddr6
	DstAddr6
	Proto   // transport protocol
	SrcPort // of TCP, UDP, SCTP or DCCP
	DstPort
	Family // IPv4 or IPv6

	// What maps say of an address: its identity, its circle, the group its identity
	// is in at that end, the group of the place it is in. Each is one word.
	SrcIdent4
	DstIdent4
	SrcIdent6
	DstIdent6
	SrcCircle4
	DstCircle4
	SrcCircle6
	DstCircle6
	SrcGroup4
	DstGroup4
	SrcGroup6
	DstGroup6
	SrcPlace4
	DstPlace4
	SrcPlace6
	DstPlace6
	ThisGroup // Lookup.Group itself
)

var fieldNames = [...]string{
	"ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr", "meta l4proto", "th sport", "th dport", "meta nfproto",
	"ip saddr map @identity4", "ip daddr map @identity4", "ip6 saddr map @identity6", "ip6 daddr map @identity6",
	"circle of ip saddr map @identity4", "circle of ip daddr map @identity4",
	"circle of ip6 saddr map @identity6", "circle of ip6 daddr map @identity6",
	"ip saddr map @identity4 map @out_group", "ip daddr map @identity4 map @in_group",
	"ip6 saddr map @identity6 map @out_group", "ip6 daddr map @identity6 map @in_group",
	"ip saddr map @out_place4", "ip daddr map @in_place4", "ip6 saddr map @out_place6", "ip6 daddr map @in_place6",
}

// Names of the maps that fields go through; those of groups by end.
const (
	identity4 = "identity4"
	identity6 = "identity6"
	groupMap  = "_group"
	placeMap4 = "_place4"
	placeMap6 = "_place6"
)

// mapped reports whether a field is what maps say of an address.
func (f Field) mapped() bool { return f >= SrcIdent4 && f < ThisGroup }

// address is the field a mapped one is that of; f itself for others.
func (f Field) address() Field {
	if f.mapped() {
		return (f - SrcIdent4) % 4
	}
	return f
}

// maps lists the maps a mapped field goes through.
func (f Field) maps() []string {
	identity, end, place := identity4, "out", placeMap4
	if f.address() >= SrcAddr6 {
		identity, place = identity6, placeMap6
	}
	if f.address()%2 == 1 {
		end = "in"
	}
	switch {
	case !f.mapped():
		return nil
	case f < SrcGroup4:
		return []string{identity}
	case f < SrcPlace4:
		return []string{identity, end + groupMap}
	}
	return []string{end + place}
}

// The maps' data, in words of a register each. The kernel puts them into
// consecutive registers. nft takes the first for something it cannot list a
// further lookup by (and aborts), so rules use the others.
const (
	identityWords = 3 // number, circle, number
	groupWords    = 2 // number, number
)

// words is the data of a map with that many words.
func (id Identity) words(n int) []uint32 {
	if n == groupWords {
		return []uint32{id.Number, id.Number}
	}
	return []uint32{id.Number, id.Circle, id.Number}
}

// Lookup asks a set, or with Map a verdict map, for the fields together.
type Lookup struct {
	By    []Field
	Group uint32 // what ThisGroup stands for
	Set   string
	Map   bool
}

func (l Lookup) String() string {
	parts := make([]string, len(l.By))
	for i, f := range l.By {
		if f == ThisGroup {
			parts[i] = fmt.Sprintf("0x%08x", l.Group)
		} else {
			parts[i] = fieldNames[f]
		}
	}
	if l.Map {
		return strings.Join(parts, " . ") + " vmap @" + l.Set
	}
	return strings.Join(parts, " . ") + " @" + l.Set
}

// CtState matches packets in any of the connection states.
type CtState uint32

// Connection states, the bits of NF_CT_STATE_BIT in linux/netfilter/nf_conntrack_common.h.
const (
	CtInvalid     CtState = 1
	CtEstablished CtState = 2
	CtRelated     CtState = 4
	CtNew         CtState = 8
)

func (c CtState) String() string {
	var words []string
	for i, w := range []string{"invalid", "established", "related", "new"} {
		if c&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	return "ct state " + strings.Join(words, ",")
}

// Loopback matches packets that came in by (or with Out leave by) the loopback
// interface.
type Loopback struct{ Out bool }

func (l Loopback) String() string {
	if l.Out {
		return `oifname "lo"`
	}
	return `iifname "lo"`
}

// GroupCast matches packets to a broadcast address, or to a multicast one, that
// came in a frame of that kind; so that the many others need not be looked up in
// the routing table.
type GroupCast struct{ Multicast bool }

func (g GroupCast) String() string {
	if g.Multicast {
		return "meta pkttype != unicast fib daddr type multicast"
	}
	return "meta pkttype != unicast fib daddr type broadcast"
}

// L4Proto matches a transport protocol.
type L4Proto uint8

func (p L4Proto) String() string { return fmt.Sprintf("meta l4proto %s", protoText(uint8(p))) }

// Ports matches a protocol and an inclusive range of destination ports.
type Ports struct {
	Proto    uint8
	From, To uint16
}

func (p Ports) String() string {
	if p.From == p.To {
		return fmt.Sprintf("meta l4proto %s th dport %d", protoText(p.Proto), p.From)
	}
	return fmt.Sprintf("meta l4proto %s th dport %d-%d", protoText(p.Proto), p.From, p.To)
}

// ICMP matches ICMP or ICMPv6 by an inclusive range over type<<8|code, which are
// the first two bytes of its header (RFC 792, RFC 4443 §2.1).
type ICMP struct {
	Proto    uint8
	From, To uint16
}

func (m ICMP) String() string {
	name := "icmp"
	if m.Proto == flow.ICMPv6 {
		name = "icmpv6"
	}
	first, last := m.From>>8, m.To>>8
	switch {
	case m.wholeTypes() && first == last:
		return fmt.Sprintf("%s type %d", name, first)
	case m.wholeTypes():
		return fmt.Sprintf("%s type %d-%d", name, first, last)
	case m.From == m.To:
		return fmt.Sprintf("meta l4proto %s @th,0,16 %d", protoText(m.Proto), m.From)
	}
	return fmt.Sprintf("meta l4proto %s @th,0,16 %d-%d", protoText(m.Proto), m.From, m.To)
}

// wholeTypes reports whether the range is of types with all their codes.
func (m ICMP) wholeTypes() bool { return m.From&0xff == 0 && m.To&0xff == 0xff }

// NotSYN matches TCP packets that do not open a connection: any but SYN without
// ACK, FIN and RST.
type NotSYN struct{}

func (NotSYN) String() string { return "tcp flags & (fin | syn | rst | ack) != syn" }

// Cgroup matches packets whose local socket belongs to a cgroup (version 2) or
// one below it. Path is relative to the cgroup root.
type Cgroup struct {
	Level uint32
	Path  string
	ID    uint64 // inode number of the folder, which is what the kernel compares
}

func (c Cgroup) String() string { return fmt.Sprintf("socket cgroupv2 level %d %q", c.Level, c.Path) }

// Limit lets through a number of packets per second, so that a flood of reports
// cannot hurt.
type Limit struct{ PerSecond, Burst uint32 }

func (l Limit) String() string {
	return fmt.Sprintf("limit rate %d/second burst %d packets", l.PerSecond, l.Burst)
}

// Count adds the packet to a named counter.
type Count string

func (c Count) String() string { return fmt.Sprintf("counter name %q", string(c)) }

// Log sends the packet's headers to an NFLOG group with a prefix.
type Log struct {
	Prefix string
	Group  uint16
}

func (l Log) String() string {
	return fmt.Sprintf("log prefix %q group %d snaplen %d", l.Prefix, l.Group, logSnaplen)
}

// logSnaplen is enough for an IPv6 header, an extension header and TCP.
const logSnaplen = 96

// Reset answers a TCP packet with a reset and drops it.
type Reset struct{}

func (Reset) String() string { return "reject with tcp reset" }

// Verdict ends a rule.
type Verdict struct {
	Code  Code
	Chain string // for Jump and Goto
}

// Code is what a verdict does.
type Code uint8

const (
	Accept Code = iota
	Drop
	Return
	Jump
	Goto
)

var codeNames = [...]string{"accept", "drop", "return", "jump", "goto"}

func (v Verdict) String() string {
	if v.Chain != "" {
		return codeNames[v.Code] + " " + v.Chain
	}
	return codeNames[v.Code]
}

// protoText is how nft writes a protocol: by name where every system knows it.
func protoText(p uint8) string {
	switch p {
	case flow.TCP, flow.UDP, flow.ICMP, flow.SCTP:
		return flow.ProtoName(p)
	case flow.ICMPv6:
		return "ipv6-icmp"
	}
	return fmt.Sprint(p)
}
