package assemble

import (
	"time"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// fragmentTimeout is how long the pieces of a packet are waited for; RFC 8200
// §4.5 says 60 s, systems say 30.
const fragmentTimeout = flow.Time(30 * time.Second)

// fragmentWays is how many packets of one hash are remembered.
const fragmentWays = 4

// fragments remembers the ports of first fragments, so that later ones are
// counted with them, and what came before its first: some systems send the last
// piece first, and links of a bundle overtake each other. It is bounded: of
// fragmentWays packets that share a hash, the oldest makes room.
type fragments struct {
	slots   [256 * fragmentWays]fragment
	waiting int // slots that hold pieces
}

// fragment is a packet that was cut. Before its first piece is seen it has no
// ports, and holds what the others add.
type fragment struct {
	src, dst         capture.Addr
	id               uint32
	proto            uint8
	known            bool // the first fragment was seen: the ports are valid
	via              uint16
	srcPort, dstPort uint16
	at               flow.Time
	early            pieces
}

// pieces are later fragments of one packet.
type pieces struct {
	n     uint64
	bytes uint64
	first flow.Time
}

// take gives a later fragment its ports, and the flow of a first one what came
// before it. It reports false for a piece that has no ports yet: it is held, and
// counted when its first comes or is given up.
func (f *fragments) take(p *capture.Packet, s *Stats) (early pieces, known bool) {
	x := f.slot(p, s)
	switch {
	case p.Fragment == capture.FirstFragment:
		early = x.early
		f.release(x, s)
		x.known, x.srcPort, x.dstPort, x.at = true, p.SrcPort, p.DstPort, p.Time
		return early, true
	case x.known:
		p.SrcPort, p.DstPort = x.srcPort, x.dstPort
		return pieces{}, true
	case x.early.n == 0:
		x.via, x.early.first = p.Via(), p.Time
		f.waiting++
	case x.via != p.Via():
		s.Drops.Add(flow.DropDuplicate, 1) // the same piece, seen elsewhere too
		return pieces{}, false
	}
	x.early.n++
	x.early.bytes += uint64(p.Bytes)
	s.Waiting++
	return pieces{}, false
}

// slot returns the place of p's packet, making it if need be.
func (f *fragments) slot(p *capture.Packet, s *Stats) *fragment {
	h := mix(p.Src.Lo^p.Dst.Hi^0x9e3779b97f4a7c15, p.Dst.Lo^p.Src.Hi^uint64(p.FragID)<<8^uint64(p.Proto))
	at := int(h % uint64(len(f.slots)/fragmentWays) * fragmentWays)
	ways := f.slots[at : at+fragmentWays]
	oldest := &ways[0]
	for i := range ways {
		x := &ways[i]
		if x.src == p.Src && x.dst == p.Dst && x.id == p.FragID && x.proto == p.Proto {
			if p.Time-x.at <= fragmentTimeout {
				return x
			}
			oldest = x // the number is used again
			break
		}
		if x.at < oldest.at {
			oldest = x
		}
	}
	f.drop(oldest, s)
	*oldest = fragment{src: p.Src, dst: p.Dst, id: p.FragID, proto: p.Proto, at: p.Time}
	return oldest
}

// release empties x: its pieces go to a flow.
func (f *fragments) release(x *fragment, s *Stats) {
	if x.early.n > 0 {
		f.waiting--
		s.Waiting -= x.early.n
		x.early = pieces{}
	}
}

// drop gives up what x holds.
func (f *fragments) drop(x *fragment, s *Stats) {
	s.Drops.Add(flow.DropFragment, x.early.n)
	f.release(x, s)
}

// expire drops the pieces that have waited too long.
func (f *fragments) expire(now flow.Time, s *Stats) {
	if f.waiting == 0 {
		return
	}
	for i := range f.slots {
		if x := &f.slots[i]; x.early.n > 0 && now-x.at > fragmentTimeout {
			f.drop(x, s)
		}
	}
}

// flush drops all pieces that wait, and forgets all packets.
func (f *fragments) flush(s *Stats) {
	for i := range f.slots {
		f.drop(&f.slots[i], s)
		f.slots[i] = fragment{}
	}
}

// pieces adds later fragments, which are bytes but no packets of their own, to the
// packets of side: a packet counts once and in its full length wherever on its way
// it was cut.
func (t *Table) pieces(e *entry, p *pieces, side int) {
	if p.n == 0 {
		return
	}
	t.stats.Fragments += p.n
	t.stats.Bytes += p.bytes
	e.bytes[side] += p.bytes
	e.first, e.last = min(e.first, p.first), max(e.last, p.first)
}
