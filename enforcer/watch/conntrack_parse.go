package watch

import (
	"encoding/binary"
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// connection is one entry of the kernel's connection tracking table.
type connection struct {
	id             uint32
	flow           uint64 // identity of the flow
	key            flow.Key
	reply          flow.Key // as answers come: from the server's real address to the client's translated one
	turned         bool     // key is the reverse of what the kernel has
	status         uint32
	client, server counters
	start, stop    flow.Time // 0 when the kernel does not stamp (nf_conntrack_timestamp)
}

// nat is the tuple behind an address translation, where there is one.
func (c *connection) nat() (n flow.NAT) {
	far := c.reply.Reverse()
	if c.turned {
		far = c.reply
	}
	if !flow.HasPorts(c.key.Proto) || !far.Client.IsValid() {
		return n
	}
	if far.Client != c.key.Client || far.ClientPort != c.key.ClientPort {
		n.Client, n.ClientPort = far.Client, far.ClientPort
	}
	if far.Server != c.key.Server || far.ServerPort != c.key.ServerPort {
		n.Server, n.ServerPort = far.Server, far.ServerPort
	}
	return n
}

// counters are those of one direction; zero when the kernel does not count
// (nf_conntrack_acct).
type counters struct{ packets, bytes uint64 }

// Attributes and status bits of linux/netfilter/nfnetlink_conntrack.h and
// nf_conntrack_common.h.
const (
	ctaTupleOrig    = 1
	ctaTupleReply   = 2
	ctaStatus       = 3
	ctaCountersOrig = 9
	ctaCountersRepl = 10
	ctaID           = 12
	ctaTimestamp    = 20

	ctaTupleIP    = 1
	ctaTupleProto = 2

	ipsSeenReply = 1 << 1
	ipsAssured   = 1 << 2
)

// parseConnection reads the attributes of a conntrack message; false when it has
// no tuple of a kind we know.
func parseConnection(attrs []byte) (c connection, ok bool) {
	eachAttr(attrs, func(kind uint16, v []byte) {
		switch kind {
		case ctaTupleOrig:
			ok = parseTuple(v, &c.key)
		case ctaTupleReply:
			parseTuple(v, &c.reply)
		case ctaStatus:
			c.status = be32(v)
		case ctaID:
			c.id = be32(v)
		case ctaCountersOrig:
			c.client = parseCounters(v)
		case ctaCountersRepl:
			c.server = parseCounters(v)
		case ctaTimestamp:
			eachAttr(v, func(kind uint16, v []byte) {
				switch kind {
				case 1: // CTA_TIMESTAMP_START
					c.start = flow.Time(be64(v))
				case 2: // CTA_TIMESTAMP_STOP
					c.stop = flow.Time(be64(v))
				}
			})
		}
	})
	if ok {
		c.flow = c.identity()
	}
	return c, ok
}

func parseTuple(b []byte, k *flow.Key) bool {
	eachAttr(b, func(kind uint16, v []byte) {
		switch kind {
		case ctaTupleIP:
			eachAttr(v, func(kind uint16, v []byte) {
				a, _ := netip.AddrFromSlice(v)
				switch kind {
				case 1, 3: // CTA_IP_V4_SRC, V6_SRC
					k.Client = a.Unmap()
				case 2, 4: // …_DST
					k.Server = a.Unmap()
				}
			})
		case ctaTupleProto:
			eachAttr(v, func(kind uint16, v []byte) { parseTupleProto(kind, v, k) })
		}
	})
	return k.Client.IsValid() && k.Server.IsValid() && k.Proto != 0
}

func parseTupleProto(kind uint16, v []byte, k *flow.Key) {
	switch {
	case len(v) == 0:
	case kind == 1: // CTA_PROTO_NUM
		k.Proto = v[0]
	case kind == 2 && len(v) >= 2: // SRC_PORT
		k.ClientPort = binary.BigEndian.Uint16(v)
	case kind == 3 && len(v) >= 2: // DST_PORT
		k.ServerPort = binary.BigEndian.Uint16(v)
	case kind == 5 || kind == 8: // ICMP_TYPE, ICMPV6_TYPE
		k.ServerPort |= uint16(v[0]) << 8
	case kind == 6 || kind == 9: // ICMP_CODE, ICMPV6_CODE
		k.ServerPort |= uint16(v[0])
	}
}

func parseCounters(b []byte) (c counters) {
	eachAttr(b, func(kind uint16, v []byte) {
		switch kind {
		case 1: // CTA_COUNTERS_PACKETS
			c.packets = be64(v)
		case 2: // CTA_COUNTERS_BYTES
			c.bytes = be64(v)
		}
	})
	return c
}

// outcome says what became of a connection. The kernel calls TCP assured once the
// handshake is complete; a reply without that is a reset, on which it forgets the
// connection without even noting that it saw a reply.
func (c *connection) outcome() flow.Outcome {
	switch {
	case c.status&ipsSeenReply == 0 && c.server.packets == 0:
		return flow.Unanswered
	case c.key.Proto == flow.TCP && c.status&ipsAssured == 0:
		return flow.Refused
	}
	return flow.Established
}

// eachAttr visits netlink attributes up to the first malformed one; kind without
// its flags.
func eachAttr(b []byte, visit func(kind uint16, value []byte)) {
	const flags = 0xc000 // NLA_F_NESTED, NLA_F_NET_BYTEORDER
	for len(b) >= 4 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return
		}
		visit(binary.NativeEndian.Uint16(b[2:])&^flags, b[4:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}

func be32(v []byte) uint32 {
	if len(v) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(v)
}

func be64(v []byte) uint64 {
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}
