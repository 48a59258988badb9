package assemble

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

type netipAddr = netip.Addr

// foldWindow is the period that a budget is for.
const foldWindow = flow.Time(time.Minute)

// folder keeps attempts that nobody answered from filling the store: beyond a
// budget, those of one client fold into one record, and so do those at one
// server's port, which is what a flood from spoofed sources looks like. The
// record is the first that was folded, with the number of the others.
type folder struct {
	budget uint32
	slots  []foldSlot
	seed   uint64
}

// foldSlots is how many clients and server ports are told apart at a time. They
// collide rarely; when they do, the elder's record is let go.
const foldSlots = 8192

type foldSlot struct {
	who    netip.Addr
	port   uint16 // of a server; 0 for a client
	proto  uint8
	since  flow.Time
	seen   uint32
	record flow.Record // the first folded; ID 0 when none
}

func newFolder(o Options) folder {
	return folder{budget: uint32(o.Budget), seed: o.Seed}
}

// takes reports whether r is beyond a budget, and then keeps it.
func (f *folder) takes(t *Table, r *flow.Record) bool {
	if f.slots == nil {
		f.slots = make([]foldSlot, foldSlots)
	}
	if r.Split > 0 || r.Folded > 0 {
		return false
	}
	client := f.slot(t, r, r.Key.Client, 0)
	server := f.slot(t, r, r.Key.Server, r.Key.ServerPort|1) // |1: two ports may share a budget, 0 is a client's
	switch {
	case client.seen > f.budget:
		client.keep(r)
	case server.seen > 4*f.budget:
		server.keep(r)
	default:
		return false
	}
	return true
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

// slot counts an attempt and returns where it is counted.
func (f *folder) slot(t *Table, r *flow.Record, who netip.Addr, port uint16) *foldSlot {
	a := who.As16()
	var lo, hi uint64
	for i := range 8 {
		hi, lo = hi<<8|uint64(a[i]), lo<<8|uint64(a[i+8])
	}
	h := fold(lo^f.seed, hi^uint64(port)<<8^uint64(r.Key.Proto)^0x9e3779b97f4a7c15)
	s := &f.slots[h%foldSlots]
	if s.who != who || s.port != port || s.proto != r.Key.Proto || r.Last-s.since > foldWindow {
		s.release(t)
		*s = foldSlot{who: who, port: port, proto: r.Key.Proto, since: r.Last}
	}
	s.seen++
	return s
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
	for i := range f.slots {
		if s := &f.slots[i]; s.record.ID != 0 && now-s.since > foldWindow {
			s.release(t)
			s.seen = 0
		}
	}
}

// flush lets go of all records, in the order of time.
func (f *folder) flush(t *Table) {
	var kept []*foldSlot
	for i := range f.slots {
		f.slots[i].seen = 0
		if f.slots[i].record.ID != 0 {
			kept = append(kept, &f.slots[i])
		}
	}
	slices.SortFunc(kept, func(a, b *foldSlot) int {
		return cmp.Or(cmp.Compare(a.record.First, b.record.First), cmp.Compare(a.record.ID, b.record.ID))
	})
	for _, s := range kept {
		s.release(t)
	}
}
