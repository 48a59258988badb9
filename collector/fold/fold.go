// Package fold keeps attempts that nobody answered from filling the store: what a
// scan or a flood is made of. Beyond a budget, refused and unanswered flows fold
// into one record that says how many it stands for. Packets (assemble) and exported
// records (netflow) share it.
package fold

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// window is the period that a budget is for.
const window = flow.Time(time.Minute)

// Folder folds. Those of one client fold into one record: a scan. So do those at
// one service, at one server, and at last all together: floods from spoofed
// sources. A folded record is the first that was over the budget, with the number
// of the others, their counters and their times. It is not safe for concurrent use.
type Folder struct {
	emit   func(*flow.Record)
	levels [4]level
	held   []*slot // that have a record, and some that had one
	folded uint64
	ready  bool
}

// level is a bounded table of one kind of budget. A full bucket lets go of the
// slot with the fewest attempts, so that a flood of keys that come once does not
// push out the one that comes again and again.
type level struct {
	of     func(*flow.Record) key
	budget uint32
	slots  []slot
}

const ways = 4

type key struct {
	who  capture.Addr
	port uint16
	what uint16 // protocol plus one; 0 marks a slot that is free
}

type slot struct {
	key    key
	since  flow.Time
	seen   uint32
	record flow.Record // the first folded; ID 0 when none
}

// DefaultBudget is how many attempts of one client have records of their own in a
// minute; a service has four times as many, a server 16 times, all 128 times.
const DefaultBudget = 64

// New returns a Folder with a client's budget for a minute (0: DefaultBudget) that
// gives folded records to emit, which must copy them.
func New(budget int, emit func(*flow.Record)) *Folder {
	if budget <= 0 {
		budget = DefaultBudget
	}
	b := uint32(budget)
	f := &Folder{emit: emit}
	f.levels = [4]level{
		{budget: b, of: func(r *flow.Record) key {
			return key{who: capture.AddrFrom(r.Key.Client), what: uint16(r.Key.Proto) + 1}
		}},
		{budget: 4 * b, of: func(r *flow.Record) key {
			return key{capture.AddrFrom(r.Key.Server), r.Key.ServerPort, uint16(r.Key.Proto) + 1}
		}},
		{budget: 16 * b, of: func(r *flow.Record) key {
			return key{who: capture.AddrFrom(r.Key.Server), what: uint16(r.Key.Proto) + 1}
		}},
		{budget: 128 * b, of: func(*flow.Record) key { return key{what: 1} }},
	}
	return f
}

// sizes are how many keys each level tells apart: 300 bytes each.
var sizes = [4]int{4096, 2048, 2048, ways}

// Takes reports whether r is beyond a budget, and then keeps it. What one level
// takes does not count in the next. r must be the first record of a flow that was
// refused or never answered.
func (f *Folder) Takes(r *flow.Record) bool {
	if !f.ready {
		for i := range f.levels {
			f.levels[i].slots = make([]slot, sizes[i])
		}
		f.ready = true
	}
	for i := range f.levels {
		s := f.count(&f.levels[i], r)
		if s.seen <= f.levels[i].budget {
			continue
		}
		if s.record.ID == 0 {
			f.held = append(f.held, s)
			s.record = *r
			return true
		}
		f.folded++
		s.add(r)
		return true
	}
	return false
}

// Folded is how many flows have no record of their own.
func (f *Folder) Folded() uint64 { return f.folded }

// count counts r and returns where it is counted.
func (f *Folder) count(l *level, r *flow.Record) *slot {
	k := l.of(r)
	// Not seeded, so that the same input gives the same output: traffic made to
	// collide here costs nobody more than a record, and the last level has one key.
	hi, lo := bits.Mul64(k.who.Lo^0x2545f4914f6cdd1d, k.who.Hi^uint64(k.port)<<8^uint64(k.what)^0x9e3779b97f4a7c15)
	at := int((hi^lo)%uint64(len(l.slots)/ways)) * ways
	bucket := l.slots[at : at+ways]
	s := &bucket[0]
	for i := range bucket {
		if bucket[i].key == k {
			s = &bucket[i]
			break
		}
		if bucket[i].seen < s.seen {
			s = &bucket[i]
		}
	}
	if s.key != k || r.Last-s.since > window {
		f.release(s)
		*s = slot{key: k, since: r.Last}
	}
	s.seen++
	return s
}

func (s *slot) add(r *flow.Record) {
	k := &s.record
	k.Folded++
	k.First, k.Last = min(k.First, r.First), max(k.Last, r.Last)
	k.ClientPackets += r.ClientPackets
	k.ServerPackets += r.ServerPackets
	k.ClientBytes += r.ClientBytes
	k.ServerBytes += r.ServerBytes
	k.ClientFlags |= r.ClientFlags
	k.ServerFlags |= r.ServerFlags
}

func (f *Folder) release(s *slot) {
	if s.record.ID != 0 {
		f.emit(&s.record)
		s.record.ID = 0
	}
}

// Expire lets go of records whose minute has passed.
func (f *Folder) Expire(now flow.Time) {
	f.held = slices.DeleteFunc(f.held, func(s *slot) bool {
		if s.record.ID != 0 && now-s.since > window {
			f.release(s)
		}
		return s.record.ID == 0
	})
}

// Flush lets go of all records, in the order of time, and forgets what was seen.
func (f *Folder) Flush() {
	kept := f.held
	slices.SortFunc(kept, func(a, b *slot) int {
		return cmp.Or(cmp.Compare(a.record.First, b.record.First), cmp.Compare(a.record.ID, b.record.ID))
	})
	for _, s := range kept {
		f.release(s)
	}
	f.held = nil
	for _, l := range f.levels {
		clear(l.slots)
	}
}
