package topology

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// lookup is the table behind KeyAt: open addressing, at most half full, 32 bytes a
// slot. Every flow record asks it twice; a Go map of the same keys takes three
// times as long.
type lookup struct {
	slots []slot
	mask  uint64
	lists [][]holding
}

// slot is one address. The usual one, held by one workload for all time, answers
// without another memory access.
type slot struct {
	hi, lo uint64 // the address as IPv6, IPv4 mapped
	key    uint64 // of the holder for all time
	scope  flow.Scope
	list   uint32 // free: not in use, forever: see key, else number in lists plus one
}

const (
	free    = 0
	forever = ^uint32(0)
)

func newLookup(byAddr map[scoped][]holding) lookup {
	n := 1 << bits.Len(uint(2*len(byAddr)))
	t := lookup{slots: make([]slot, n), mask: uint64(n - 1)}
	for at, hs := range byAddr {
		s := t.find(at.addr, at.scope)
		s.hi, s.lo = words(at.addr)
		s.scope = at.scope
		if len(hs) == 1 && hs[0].from == 0 && hs[0].to == 0 {
			s.list, s.key = forever, hs[0].key
			continue
		}
		t.lists = append(t.lists, hs)
		s.list = uint32(len(t.lists))
	}
	return t
}

func words(a netip.Addr) (hi, lo uint64) {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// find returns the slot of an address, or the free one where it would be.
func (t *lookup) find(a netip.Addr, scope flow.Scope) *slot {
	hi, lo := words(a)
	h, l := bits.Mul64(lo^0x9e3779b97f4a7c15, hi^uint64(scope)<<32^0xe7037ed1a0b428db)
	for i := h ^ l; ; i++ {
		s := &t.slots[i&t.mask]
		if s.list == free || s.lo == lo && s.hi == hi && s.scope == scope {
			return s
		}
	}
}

func (t *lookup) keyAt(a netip.Addr, scope flow.Scope, at flow.Time) uint64 {
	switch s := t.find(a, scope); s.list {
	case free:
		return 0
	case forever:
		return s.key
	default:
		for _, h := range t.lists[s.list-1] {
			if h.from <= at && (h.to == 0 || at < h.to) {
				return h.key
			}
		}
	}
	return 0
}
