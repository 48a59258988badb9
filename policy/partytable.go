package policy

import (
	"math/bits"
	"net/netip"
	"reflect"
	"sync/atomic"

	"github.com/bulkhead/bulkhead/topology"
)

// partyTable remembers the identities of parties by the labels' map itself rather
// than by what is in it: reading the labels of a workload costs several misses of
// the processor's caches, knowing its map again costs one. It holds every map it
// knows, so that none can be another's later. Readers take no lock; one writer at a
// time adds. Open addressing with linear probing.
type partyTable struct {
	slots []partySlot
	shift uint // of the hash, to the slots' number
	used  int  // the writer's
}

// partySlot is filled before its key is stored, and never changed after.
type partySlot struct {
	key    atomic.Uint64   // hash of the rest; 0 is free
	labels topology.Labels // held, so that its place stays its own
	addr   netip.Addr
	id     Identity
	inside bool // Party.Workload
}

// Parties beyond maxParties are forgotten all at once: 64 bytes each, in a table at
// most half full.
const (
	minPartySlots = 1 << 8
	maxParties    = 1 << 18
)

func newPartyTable(slots int) *partyTable {
	return &partyTable{slots: make([]partySlot, slots), shift: uint(64 - bits.Len(uint(slots-1)))}
}

// golden is 2⁶⁴ over the golden ratio: multiplying by it spreads what differs in
// few bits (D. Knuth, The Art of Computer Programming 3, §6.4).
const golden = 0x9e3779b97f4a7c15

func partyKey(p *Party) uint64 {
	b := p.Addr.As16() // an invalid address is ::
	h := uint64(reflect.ValueOf(p.Labels).Pointer())
	for i := 0; i < 16; i += 8 {
		h = (h ^ (uint64(b[i])<<56 | uint64(b[i+1])<<48 | uint64(b[i+2])<<40 | uint64(b[i+3])<<32 |
			uint64(b[i+4])<<24 | uint64(b[i+5])<<16 | uint64(b[i+6])<<8 | uint64(b[i+7]))) * golden
		h ^= h >> 29
	}
	if p.Workload {
		h += golden
	}
	return max(h, 1)
}

// is reports whether the slot is that party's; the hash has matched.
func (s *partySlot) is(p *Party) bool {
	return s.addr == p.Addr && s.inside == p.Workload && reflect.ValueOf(s.labels).Pointer() == reflect.ValueOf(p.Labels).Pointer()
}

func (t *partyTable) get(p *Party, key uint64) (Identity, bool) {
	for i := int(key >> t.shift); ; i++ {
		s := &t.slots[i&(len(t.slots)-1)]
		switch k := s.key.Load(); {
		case k == key && s.is(p):
			return s.id, true
		case k == 0:
			return 0, false
		}
	}
}

// with returns a table that has the party too: t itself, a larger one when t is
// half full, or a new one when there are too many. Only one may write at a time.
func (t *partyTable) with(p *Party, key uint64, id Identity) *partyTable {
	switch {
	case t.used >= maxParties:
		t = newPartyTable(minPartySlots)
	case 2*t.used >= len(t.slots):
		next := newPartyTable(2 * len(t.slots))
		for i := range t.slots {
			if s := &t.slots[i]; s.key.Load() != 0 {
				next.add(&Party{Addr: s.addr, Labels: s.labels, Workload: s.inside}, s.key.Load(), s.id)
			}
		}
		t = next
	}
	t.add(p, key, id)
	return t
}

func (t *partyTable) add(p *Party, key uint64, id Identity) {
	for i := int(key >> t.shift); ; i++ {
		s := &t.slots[i&(len(t.slots)-1)]
		switch k := s.key.Load(); {
		case k == 0:
			s.labels, s.addr, s.inside, s.id = p.Labels, p.Addr, p.Workload, id
			s.key.Store(key)
			t.used++
			return
		case k == key && s.is(p):
			return
		}
	}
}
