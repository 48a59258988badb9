package assemble

import (
	"time"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/fold"
	"github.com/bulkhead/bulkhead/flow"
)

// batchSize is how many records are handed on at a time.
const batchSize = 4096

// sweepSteps is into how many parts a walk over the table is divided: each part is
// due after 1/sweepSteps of the sweep period.
const sweepSteps = 16

// Table assembles packets into biflows. It is not safe for concurrent use.
type Table struct {
	o       Options
	emit    func([]flow.Record) error
	entries []entry
	memory  region
	free    []uint32 // numbers of entries given back
	used    uint32   // entries ever used: the rest was never touched
	index   index
	frags   fragments
	sights  sights
	tunnels tunnels
	fold    *fold.Folder
	batch   []flow.Record
	weak    []flow.Record
	quoted  capture.Walker
	stats   Stats
	sensors map[uint16]string // by interfaces: at most 65,536, usually a few
	err     error

	now       flow.Time
	nextSweep flow.Time
	weakSince flow.Time // when the oldest of weak was put there
	hand      uint32    // sweep position
	evictHand uint32
	bothSides uint64 // established TCP seen from both sides
	oneSide   uint64 // and from one
	touched   uint64 // keeps the compiler from leaving out Batch's second round
}

// New returns an empty table that hands batches of records to emit, which must
// not keep the slice. After an error of emit, records are discarded and Err says
// why.
func New(o Options, emit func([]flow.Record) error) *Table {
	o = o.withDefaults()
	t := &Table{
		o: o, emit: emit, index: newIndex(),
		batch:   make([]flow.Record, 0, batchSize),
		sensors: map[uint16]string{},
	}
	t.fold = fold.New(o.Budget, t.push)
	t.entries, t.memory = reserve[entry](o.Capacity)
	return t
}

// Close gives the table's memory back. The table cannot be used afterwards; its
// Stats can.
func (t *Table) Close() {
	t.memory.release()
	t.index.memory.release()
	t.entries, t.memory, t.index.slots, t.index.memory = nil, region{}, nil, region{}
}

// Err returns the first error of emit.
func (t *Table) Err() error { return t.err }

// Stats returns what was counted so far.
func (t *Table) Stats() Stats {
	s := t.stats
	s.Live, s.Folded, s.TunnelsUnknown = t.index.count, t.fold.Folded(), t.tunnels.unknown
	return s
}

// BatchSize is how many packets Batch takes at a time.
const BatchSize = 16

// lookup is a packet on its way into the table.
type lookup struct {
	key  key
	hash uint32
	side int
	home uint64 // what stood in the hash's home slot
	near *entry // the entry that the hash led to, if any
	mark uint64 // of the packet, see sights
}

// Batch counts packets, at most BatchSize, into their flows, and puts into nth how
// many packets each flow's sender has sent in it so far (0: the packet was
// dropped).
//
// A table of many flows is bound by misses in the cache, two for each packet, of
// which the second depends on the first. So the batch is gone through three times:
// to touch all slots, to touch all entries, and to do the work; the misses of one
// round overlap, which makes a million flows twice as quick.
func (t *Table) Batch(ps []capture.Packet, nth *[BatchSize]uint32) {
	var ls [BatchSize]lookup
	touched := uint64(0)
	for i := range ps {
		l := &ls[i&(BatchSize-1)]
		t.lookup(&ps[i], l)
		l.home = t.index.slots[l.hash&t.index.mask]
		touched += uint64(*t.sights.slot(l.mark))
	}
	for i := range ps {
		l := &ls[i&(BatchSize-1)]
		if l.near = t.near(l); l.near != nil {
			touched += l.near.key.a.Lo + uint64(l.near.state) // both of its cache lines
		}
	}
	t.touched = touched
	for i := range ps {
		nth[i&(BatchSize-1)] = t.packet(&ps[i], &ls[i&(BatchSize-1)])
	}
}

// near follows the index to the first entry of l's hash.
func (t *Table) near(l *lookup) *entry {
	x := &t.index
	s := l.home
	for i := l.hash & x.mask; s != 0; s = x.slots[i] {
		if uint32(s>>32) == l.hash {
			return &t.entries[uint32(s)-1]
		}
		i = (i + 1) & x.mask
	}
	return nil
}

// Packet is Batch for one packet.
func (t *Table) Packet(p *capture.Packet) uint32 {
	var l lookup
	t.lookup(p, &l)
	return t.packet(p, &l)
}

func (t *Table) lookup(p *capture.Packet, l *lookup) {
	l.key, l.side = makeKey(p, t.scope(p))
	l.hash = uint32(l.key.hash(t.o.Seed) >> 32)
	l.mark = mark(p, &l.key, l.side)
}

func (t *Table) packet(p *capture.Packet, l *lookup) uint32 {
	t.stats.Packets++
	if p.Time >= t.nextSweep || p.Time < t.now-flow.Time(time.Hour) {
		t.sweep(p.Time)
	}
	t.now = p.Time
	var early pieces
	if p.Fragment != capture.Whole {
		known := false
		if early, known = t.frags.take(p, &t.stats); !known {
			return 0
		}
		t.lookup(p, l) // the ports are known now
		l.near = nil
	}
	e := l.near
	if e == nil || !e.has(inUse) || !e.key.equals(&l.key) {
		e = t.find(&l.key, l.hash) // an earlier packet of the batch may have changed that
	}
	judged := another
	if l.mark != 0 && t.sights.slot(l.mark).of(l.mark) && !t.o.CountCopies {
		judged = t.sights.verdict(p, l.mark)
	}
	if judged == copyOf {
		if e != nil {
			e.seenOn |= 1 << min(p.Interface, 15)
		}
		t.stats.Drops.Add(flow.DropDuplicate, 1+early.n)
		return 0
	}
	if e != nil && t.over(e, p) {
		e = nil
	}
	if e == nil && p.Fragment == capture.LaterFragment {
		t.stats.Drops.Add(flow.DropFragment, 1) // its flow is over
		return 0
	}
	if e == nil {
		if e = t.start(&l.key, l.hash, p, l.side); e == nil {
			t.stats.Drops.Add(flow.DropTableFull, 1+early.n)
			return 0
		}
	}
	e.seenOn |= 1 << min(p.Interface, 15)
	if !t.o.CountCopies && t.copied(e, p, l) {
		t.stats.Drops.Add(flow.DropDuplicate, 1+early.n)
		return 0
	}
	if p.Fragment != capture.Whole {
		t.pieces(e, &early, l.side)
		if p.Fragment == capture.LaterFragment {
			t.pieces(e, &pieces{1, uint64(p.Bytes), p.Time}, l.side)
			return 0
		}
	}
	t.count(e, p, l.side)
	if judged == repeated && t.stats.Drops[flow.DropDuplicate] > 0 {
		t.stats.Drops[flow.DropDuplicate]-- // the one before was no copy
		t.count(e, p, l.side)
	}
	return e.packets[l.side]
}

func (t *Table) scope(p *capture.Packet) flow.Scope { return p.Scope(t.o.ScopeVLAN, t.o.ScopeVNI) }

func (t *Table) find(k *key, h uint32) *entry {
	x := &t.index
	for i := h & x.mask; ; i = (i + 1) & x.mask {
		s := x.slots[i]
		if s == 0 {
			return nil
		}
		if uint32(s>>32) != h {
			continue
		}
		if e := &t.entries[uint32(s)-1]; e.key.equals(k) {
			return e
		}
	}
}

// over closes or splits e if p does not belong to it any more, and reports
// whether p starts another flow.
func (t *Table) over(e *entry, p *capture.Packet) bool {
	if p.Time-e.last > t.patience(e) {
		t.finish(e, flow.EndIdle)
		return true
	}
	if e.has(closed) && p.Flags&(flow.SYN|flow.ACK) == flow.SYN && p.Proto == flow.TCP {
		t.finish(e, flow.EndOfFlow) // the port is used again
		return true
	}
	if p.Time-e.first > flow.Time(t.o.Active) {
		t.splitFlow(e)
	}
	return false
}

// patience is how long e may be silent.
func (t *Table) patience(e *entry) flow.Time {
	switch {
	case e.has(closed):
		return flow.Time(t.o.Linger)
	case !e.has(answered) && e.packets[0]+e.packets[1] <= 8:
		return flow.Time(t.o.Unanswered)
	}
	return flow.Time(t.o.Idle)
}

// start makes room for a flow that p opens; nil means that there is none.
func (t *Table) start(k *key, h uint32, p *capture.Packet, side int) *entry {
	n, ok := t.allocate()
	if !ok {
		return nil
	}
	t.index.insert(h, n)
	t.stats.Flows++
	e := &t.entries[n]
	*e = entry{key: *k, first: p.Time, last: p.Time, id: k.identity(p.Time), vni: p.VNI, vlan: p.VLAN, tunnel: t.tunnels.enter(p), state: inUse}
	if side == sideB {
		e.state |= firstB
	}
	if p.Broadcast || p.Dst.IsGroup() {
		e.state |= multicast
		e.hint(flow.EvidenceSemantics, side)
	}
	return e
}

// count adds p to e.
func (t *Table) count(e *entry, p *capture.Packet, side int) {
	t.stats.Counted++
	t.stats.Bytes += uint64(p.Bytes)
	e.packets[side]++
	e.bytes[side] += uint64(p.Bytes)
	e.last = max(e.last, p.Time)
	e.first = min(e.first, p.Time)
	if e.packets[1-side] != 0 {
		e.state |= answered
	}
	switch p.Proto {
	case flow.TCP:
		e.flags[side] |= p.Flags
		if p.Flags&(flow.SYN|flow.FIN|flow.RST) != 0 {
			e.tcp(p.Flags, side)
			return
		}
		e.state |= plainAck
		if e.has(synAckSeen) && e.has(clientB) == (side == sideB) {
			e.state |= completed
		}
	case flow.UDP:
		if !e.has(hinted) && e.packets[side] <= 4 {
			e.udp(p, side)
		}
	default:
		t.other(e, p, side)
	}
}

// splitFlow reports what e has counted so far and lets it go on.
func (t *Table) splitFlow(e *entry) {
	t.report(e, flow.EndActive)
	e.split++
	e.first = e.last
	e.bytes, e.packets, e.flags = [2]uint64{}, [2]uint32{}, [2]uint8{}
}

// finish reports e and gives its place back.
func (t *Table) finish(e *entry, why flow.EndReason) {
	if e.bytes[0]+e.bytes[1] > 0 {
		t.report(e, why)
	}
	h := uint32(e.key.hash(t.o.Seed) >> 32)
	n := t.number(e, h)
	t.index.remove(h, n)
	t.tunnels.leave(e.tunnel)
	e.state = 0
	t.free = append(t.free, n)
}

func (t *Table) number(e *entry, h uint32) uint32 {
	for i := h & t.index.mask; ; i = (i + 1) & t.index.mask {
		if s := t.index.slots[i]; uint32(s>>32) == h && &t.entries[uint32(s)-1] == e {
			return uint32(s) - 1
		}
	}
}
