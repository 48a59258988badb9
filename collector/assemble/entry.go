package assemble

import (
	"math/bits"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// key identifies a biflow without saying who is the client: a is the smaller end.
type key struct {
	a, b  capture.Addr
	rest  uint64 // a's port, b's port, scope
	proto uint8
}

// Sides of a key.
const (
	sideA = 0
	sideB = 1
)

// state bits of an entry.
const (
	inUse      uint16 = 1 << iota
	firstB            // B sent the first packet
	hinted            // hint says who is the client
	clientB           // and it is B
	agreed            // both ends showed it (SYN and SYN+ACK)
	finA              // A has sent FIN
	finB              // B has
	closed            // FIN both ways, or RST
	refused           // an ICMP error answered
	answered          // both sides have sent, in this or an earlier split
	decided           // an earlier split fixed client and evidence: orientation holds
	decidedB          // the client fixed then is B
	completed         // TCP: the client went on after SYN+ACK
	multicast         // one end is a group
	plainAck          // TCP: a segment with ACK and neither SYN nor RST was seen
	synAckSeen        // the handshake's second step was seen
)

// entry is a live flow: 128 bytes, so that one lies in two cache lines.
type entry struct {
	key         key       // 48
	first, last flow.Time // of this split
	id          uint64
	bytes       [2]uint64 // by side
	packets     [2]uint32
	vni         uint32
	split       uint32
	viaAt       [2]uint32 // when each side was last seen there, see copied; 0: not yet
	via         [2]uint16 // where each side's packets are counted
	state       uint16
	seenOn      uint16 // interfaces, a bit each; the last bit stands for all beyond
	vlan        uint16
	flags       [2]uint8      // union of TCP control bits
	evidence    flow.Evidence // of the hint, or of the decision once decided
	confidence  uint8         // once decided
	tunnel      uint16        // number among the table's tunnels
}

func (e *entry) has(bits uint16) bool { return e.state&bits != 0 }

// makeKey orients p's addresses and says which side sent it. An ICMP message has
// the request's type and code as the port of who is asked, and 0 as that of who
// asks, so that two hosts that ask each other have a flow each way.
func makeKey(p *capture.Packet, scope flow.Scope) (k key, side int) {
	sp, dp := p.SrcPort, p.DstPort
	if p.Proto == flow.ICMP || p.Proto == flow.ICMPv6 {
		sp, dp = icmpPorts(p.Proto, p.DstPort)
	}
	k.proto = p.Proto
	if p.Src.Less(p.Dst) || p.Src == p.Dst && sp <= dp {
		k.a, k.b = p.Src, p.Dst
		k.rest = uint64(sp)<<48 | uint64(dp)<<32 | uint64(scope)
		return k, sideA
	}
	k.a, k.b = p.Dst, p.Src
	k.rest = uint64(dp)<<48 | uint64(sp)<<32 | uint64(scope)
	return k, sideB
}

// equals compares word by word, which is quicker than what == compiles to.
func (k *key) equals(o *key) bool {
	return k.a.Lo == o.a.Lo && k.b.Lo == o.b.Lo && k.rest == o.rest && k.a.Hi == o.a.Hi && k.b.Hi == o.b.Hi && k.proto == o.proto
}

func (k *key) portA() uint16 { return uint16(k.rest >> 48) }
func (k *key) portB() uint16 { return uint16(k.rest >> 32) }

// icmp is the type and code that an ICMP flow is of.
func (k *key) icmp() uint16 { return k.portA() | k.portB() }

func (k *key) scope() flow.Scope { return flow.Scope(k.rest) }

// hash folds the key by 64×64→128 bit multiplication (the mixing step of wyhash),
// keyed by seed.
func (k *key) hash(seed uint64) uint64 {
	h := mix(k.a.Lo^seed, k.b.Lo^0x9e3779b97f4a7c15)
	h = mix(h^k.a.Hi^k.rest, k.b.Hi^0xe7037ed1a0b428db^seed)
	return mix(h^uint64(k.proto), 0x8ebc6af09c88c6e3)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// identity names a flow the same way whenever and wherever the same capture is
// read, so that importing a file twice can be noticed.
func (k *key) identity(first flow.Time) uint64 {
	return max(1, mix(k.hash(0x2545f4914f6cdd1d)^uint64(first), 0xd6e8feb86659fd93))
}
