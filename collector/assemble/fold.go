package assemble

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

type netipAddr = netip.Addr

// foldWindow is the period that a budget is for.
const foldWindow = flow.Time(time.Minute)

// folder keeps attempts that nobody answered from filling the store. Beyond a
// budget, those of one client fold into one record: a scan. So do those at one
// service, at one server, and at last all together: floods from spoofed sources.
// A folded record is the first that was over the budget, with the number of the
// others, their counters and their times.
type folder struct {
	levels [4]foldLevel
	held   []*foldSlot // that have a record, and some that had one
	ready  bool
}

// foldLevel is a bounded table of one kind of budget. A full bucket lets go of the
// slot with the fewest attempts, so that a flood of keys that come once does not
// push out the one that comes again and again.
type foldLevel struct {
	key    func(*flow.Record) foldKey
	budget uint32
	slots  []foldSlot
}

const foldWays = 4

type foldKey struct {
	who  capture.Addr
	port uint16
	what uint16 // protocol plus one; 0 marks a slot that is free
}

type foldSlot struct {
	key    foldKey
	since  flow.Time
	seen   uint32
	record flow.Record // the first folded; ID 0 when none
}

func newFolder(o Options) folder {
	b := uint32(o.Budget)
	var f folder
	f.levels = [4]foldLevel{
		{budget: b, key: func(r *flow.Record) foldKey {
			return foldKey{who: capture.AddrFrom(r.Key.Client), what: uint16(r.Key.Proto) + 1}
		}},
		{budget: 4 * b, key: func(r *flow.Record) foldKey {
			return foldKey{capture.AddrFrom(r.Key.Server), r.Key.ServerPort, uint16(r.Key.Proto) + 1}
		}},
		{budget: 16 * b, key: func(r *flow.Record) foldKey {
			return foldKey{who: capture.AddrFrom(r.Key.Server), what: uint16(r.Key.Proto) + 1}
		}},
		{budget: 128 * b, key: func(*flow.Record) foldKey { return foldKey{what: 1} }},
	}
	return f
}

// foldSlots are how many keys each level tells apart: 300 bytes each.
var foldSlots = [4]int{4096, 2048, 2048, foldWays}

// takes reports whether r is beyond a budget, and then keeps it. What one level
// takes does not count in the next.
func (f *folder) takes(t *Table, r *flow.Record) bool {
	if !f.ready {
		for i := range f.levels {
			f.levels[i].slots = make([]foldSlot, foldSlots[i])
		}
		f.ready = true
	}
	if r.Split > 0 {
		return false
	}
	for i := range f.levels {
		if s := f.levels[i].slot(t, r); s.seen > f.levels[i].budget {
			if s.record.ID == 0 {
				f.held = append(f.held, s)
			}
			s.keep(r)
			return true
		}
	}
	return false
}

// slot counts r and returns where it is counted.
func (l *foldLevel) slot(t *Table, r *flow.Record) *foldSlot {
	k := l.key(r)
	// Not seeded, so that the same input gives the same output: traffic made to
	// collide here costs nobody more than a record, and the last level has one key.
	h := fold(k.who.Lo^0x2545f4914f6cdd1d, k.who.Hi^uint64(k.port)<<8^uint64(k.what)^0x9e3779b97f4a7c15)
	at := int(h%uint64(len(l.slots)/foldWays)) * foldWays
	bucket := l.slots[at : at+foldWays]
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
	if s.key != k || r.Last-s.since > foldWindow {
		s.release(t)
		*s = foldSlot{key: k, since: r.Last}
	}
	s.seen++
	return s
}

func (s *foldSlot) keep(r *flow.Record) {
	if s.record.ID == 0 {
		s.record = *r
		return
	}
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

func (s *foldSlot) release(t *Table) {
	if s.record.ID != 0 {
		t.push(&s.record)
		t.stats.Folded-- // this one has a record after all
		s.record.ID = 0
	}
}

// expire lets go of records whose window has passed.
func (f *folder) expire(t *Table, now flow.Time) {
	f.held = slices.DeleteFunc(f.held, func(s *foldSlot) bool {
		if s.record.ID != 0 && now-s.since > foldWindow {
			s.release(t)
		}
		return s.record.ID == 0
	})
}

// flush lets go of all records, in the order of time, and forgets what was seen.
func (f *folder) flush(t *Table) {
	kept := f.held
	slices.SortFunc(kept, func(a, b *foldSlot) int {
		return cmp.Or(cmp.Compare(a.record.First, b.record.First), cmp.Compare(a.record.ID, b.record.ID))
	})
	for _, s := range kept {
		s.release(t)
	}
	f.held = nil
	for _, l := range f.levels {
		clear(l.slots)
	}
}
