package policy

import (
	"math/bits"
	"sync/atomic"
)

// pairTable maps pairs of identities to the tables of their ends. Readers take no
// lock; one writer at a time adds. Open addressing with linear probing.
type pairTable struct {
	slots []pairSlot
	shift uint // of the hash, to the slots' number
	used  int  // the writer's
}

// pairSlot is filled before its key is stored, and never changed after.
type pairSlot struct {
	key atomic.Uint64 // client<<32|server, plus one; 0 is free
	pair
}

func newPairTable(slots int) *pairTable {
	return &pairTable{slots: make([]pairSlot, slots), shift: uint(64 - bits.Len(uint(slots-1)))}
}

const minPairSlots = 1 << 8

func pairKey(client, server Identity) uint64 {
	return (uint64(uint32(client))<<32 | uint64(uint32(server))) + 1
}

func (t *pairTable) start(key uint64) int { return int(key * golden >> t.shift) }

// get returns the pair, nil when it is not known.
func (t *pairTable) get(key uint64) *pair {
	for i := t.start(key); ; i++ {
		s := &t.slots[i&(len(t.slots)-1)]
		switch s.key.Load() {
		case key:
			return &s.pair
		case 0:
			return nil
		}
	}
}

// with returns a table that has the pair too: t itself, a larger one when t is half
// full, or a new one when there are too many. Only one may write at a time.
func (t *pairTable) with(key uint64, p pair) *pairTable {
	switch {
	case t.used >= maxPairs:
		t = newPairTable(minPairSlots)
	case 2*t.used >= len(t.slots):
		next := newPairTable(2 * len(t.slots))
		for i := range t.slots {
			if k := t.slots[i].key.Load(); k != 0 {
				next.add(k, t.slots[i].pair)
			}
		}
		t = next
	}
	t.add(key, p)
	return t
}

func (t *pairTable) add(key uint64, p pair) {
	for i := t.start(key); ; i++ {
		s := &t.slots[i&(len(t.slots)-1)]
		switch s.key.Load() {
		case 0:
			s.pair = p
			s.key.Store(key)
			t.used++
			return
		case key:
			return
		}
	}
}
