package assemble

import (
	"math/bits"
	"time"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// How long after a packet an equal one can be the same packet, seen again.
const (
	// sameWindow is for one place: a port mirrored in both directions, a virtual
	// network mirrored before and after its router. A sender that numbers its packets
	// retransmits under another number.
	sameWindow = 10 * time.Millisecond
	// plainWindow is for one place, and packets that are not numbered: IPv6, and IPv4
	// that may not be cut (RFC 6864 §4). They can be equal for other reasons, so it
	// must be known that packets pass twice.
	plainWindow = 2 * time.Millisecond
	// otherWindow is for another interface or VLAN, which may queue.
	otherWindow = time.Second
)

// sights remembers the last packets that were counted, and by them learns where
// packets pass twice. It is direct-mapped and small enough to stay in a core's
// second-level cache: at a million packets a second a packet is remembered for some
// 8 ms.
type sights struct {
	slots [1 << 13]sight
	// What speaks for a mirror: packets that say something since the first was seen
	// twice in one place, and those of them that were seen twice, both weighted;
	// halved now and then.
	judged, twice uint32
	pairs         [64]pair
}

// sight is a packet that was counted: 32 bits of its mark, 10 of the place, two for
// what came of it, and 20 of the time in units of 2^17 ns, 131 µs, which come round
// after 137 s. 0 is none.
type sight uint64

const (
	seenAgain    sight = 1 << 20 // and the second sight was taken for a copy, or for telling
	sentRepeated sight = 1 << 21 // a third showed that it is sent so
)

func seen(mark uint64, via uint16, at flow.Time) sight {
	return sight(mark&0xffffffff00000000 | uint64(via)<<22 | uint64(at>>17)&0xfffff)
}

func (x sight) of(mark uint64) bool { return uint32(x>>32) == uint32(mark>>32) }
func (x sight) via() uint16         { return uint16(x >> 22 & 0x3ff) }

// age is the time since x in its units; a time before x is a large one.
func (x sight) age(now flow.Time) uint32 { return (uint32(now>>17) - uint32(x)) & 0xfffff }

// place condenses where p was seen to 10 bits.
func place(p *capture.Packet) uint16 { return p.Via() >> 6 }

// pair is two places of which one shows what the other shows.
type pair struct {
	a, b  uint16
	same  uint16 // packets that were seen in both
	since flow.Time
}

// proof is how many packets must be seen in two places before packets of one of
// them are taken for copies of the other's without having been seen there.
const proof = 4

// pairLife is how long a proof holds.
const pairLife = flow.Time(5 * time.Minute)

// mark names a packet within its flow and direction. It is not seeded: output does
// not depend on chance, and traffic made to collide makes the table forget, no more.
func mark(p *capture.Packet, k *key, side int) uint64 {
	if p.Digest == 0 {
		return 0
	}
	ends := k.a.Lo ^ k.a.Hi ^ bits.RotateLeft64(k.b.Lo^k.b.Hi, 32) ^ k.rest ^ uint64(side)<<63
	return p.Digest ^ ends*0x9e3779b97f4a7c15<<2
}

func (s *sights) slot(mark uint64) *sight { return &s.slots[mark>>2&uint64(len(s.slots)-1)] }

// verdict is what a packet is whose like was counted.
type verdict uint8

const (
	another  verdict = iota // a packet of its own
	copyOf                  // the packet that was counted
	repeated                // one of its own, and so was the one taken for a copy before
)

// plainAge and numberedAge are the windows in the units of a sight.
const (
	plainAge    = uint32(plainWindow >> 17)
	numberedAge = uint32(sameWindow >> 17)
	historyAge  = uint32(otherWindow >> 17) // for what came of a numbered packet
)

// verdict decides what p is, whose mark is in the table.
func (s *sights) verdict(p *capture.Packet, mark uint64) verdict {
	x := s.slot(mark)
	via, age := place(p), x.age(p.Time)
	if via != x.via() {
		const either = uint32(otherWindow >> 17) // interfaces' packets come out of order
		if (age+either)&0xfffff > 2*either || !p.Numbered() && (p.Broadcast || p.Dst.IsGroup()) {
			return another // other networks have the same announcements
		}
		s.prove(via, x.via(), p.Time)
		return copyOf
	}
	switch {
	case age <= plainAge, age <= numberedAge && p.Numbered():
		return s.samePlace(p, x)
	case age <= historyAge && p.Numbered() && *x&seenAgain != 0: // none of its number was sent for that long
		return s.samePlace(p, x)
	}
	return another
}

// samePlace judges a packet that equals one counted a moment ago. A mirror shows
// each packet twice; a third time says that it is sent so, as generators do. Without
// numbers it must be known that packets pass twice, and acknowledgements (RFC 5681
// §2) and datagrams, which repeat, do not teach that.
func (s *sights) samePlace(p *capture.Packet, x *sight) verdict {
	certain := p.Numbered() || s.mirrored()
	switch {
	case *x&sentRepeated != 0:
		return another
	case *x&seenAgain != 0:
		s.judged, s.twice = 0, 0
		*x |= sentRepeated
		if certain {
			return repeated
		}
		return another
	case certain || telling(p):
		s.judge(p, 1)
		*x = seen(uint64(*x), x.via(), p.Time) | seenAgain
	}
	if certain {
		return copyOf
	}
	return another
}

// mirrored reports whether packets usually pass twice here: a quarter of what says
// something, because the other direction may be mirrored once.
func (s *sights) mirrored() bool { return s.twice >= enough && s.twice*4 >= s.judged }

// copied reports whether p is a copy of a packet of e that is counted in another
// place, though what it holds does not say so: a firewall between the two may have
// rewritten it. The places must be known to show the same, unless nothing is known
// of what packets hold. Broadcast is not routed.
func (t *Table) copied(e *entry, p *capture.Packet, l *lookup) bool {
	via := place(p)
	if !e.has(multicast) && e.elsewhere(p.Time, via, l.side) && (l.mark == 0 || t.sights.proven(via, e.via[l.side], p.Time)) {
		return true
	}
	if l.mark != 0 {
		t.sights.keep(p, l.mark, via)
	}
	return false
}

// keep remembers a packet that is counted.
func (s *sights) keep(p *capture.Packet, mark uint64, via uint16) {
	x := s.slot(mark)
	history := sight(0)
	if age := x.age(p.Time); x.of(mark) && x.via() == via && (age <= plainAge || p.Numbered() && age <= historyAge) {
		history = *x & (seenAgain | sentRepeated)
	}
	*x = seen(mark, via, p.Time) | history
	if s.twice > 0 {
		s.judge(p, 0)
	}
}

// telling reports whether a packet without a number says something when it is seen
// twice: it moves a TCP connection on.
func telling(p *capture.Packet) bool {
	return p.Proto == flow.TCP && (len(p.Payload) > 0 || p.Flags&(flow.SYN|flow.FIN) != 0)
}

// enough is the weight of packets seen twice that speaks for a mirror, and
// numberWeight that of one with a number.
const (
	enough       = 8
	numberWeight = 4
)

// judge counts a packet for how usual it is here to see packets twice.
func (s *sights) judge(p *capture.Packet, twice uint32) {
	weight := uint32(1)
	if p.Numbered() {
		weight = numberWeight
	} else if !telling(p) {
		return
	}
	if s.judged += weight; s.judged > 1<<12 {
		s.judged, s.twice = s.judged/2, s.twice/2
	}
	s.twice += weight * twice
}

func (s *sights) pair(a, b uint16) *pair {
	a, b = min(a, b), max(a, b)
	x := &s.pairs[(uint32(a)<<16|uint32(b))*0x9e3779b1>>26]
	if x.a != a || x.b != b {
		*x = pair{a: a, b: b}
	}
	return x
}

// prove records that a packet was seen in both a and b.
func (s *sights) prove(a, b uint16, now flow.Time) {
	x := s.pair(a, b)
	if now-x.since > pairLife {
		x.same = 0
	}
	x.same, x.since = min(x.same+1, proof), now
}

func (s *sights) proven(a, b uint16, now flow.Time) bool {
	x := s.pair(a, b)
	return x.same >= proof && now-x.since <= pairLife
}
