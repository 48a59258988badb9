package stitch

import (
	"math/bits"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// key is a flow's two ends in address order, so that both directions meet.
type key struct {
	a, b         plan.Addr
	portA, portB uint16
	proto        uint8
	scope        flow.Scope
}

// none ends the lists below.
const none = ^uint32(0)

// half is what is known of one direction of a flow.
type half struct {
	packets, bytes uint64
	first, last    flow.Time // of the records not yet reported
	covered        flow.Time // the end of what has been counted so far
	point          uint64    // the observation point whose records count
	rows           uint32    // records not yet reported
	flags          uint8
	initFlags      uint8
	seen           bool // this direction was ever reported
}

// entry is a flow in the table.
type entry struct {
	key        key
	hash       uint64
	chain      uint32    // next entry with the same bucket
	prev, next uint32    // neighbours in the waiting or the idle list
	touched    flow.Time // last row, by the collector's clock
	since      flow.Time // when it began to wait
	id         uint64
	split      uint32
	sampling   uint32
	exporter   uint32 // index of the exporter that reported it first
	vni        uint32
	vlan       uint16
	event      plan.Event
	encap      flow.Encap
	end        flow.EndReason
	source     flow.Source
	outcome    flow.Outcome
	client     int8 // the decided client: 1 end a, -1 end b, 0 not decided
	evidence   flow.Evidence
	confidence uint8
	initiator  int8    // the exporter's word: 1 end a, -1 end b, 0 none
	waiting    bool    // in the waiting list, else in the idle list
	dropped    bool    // a forwarding status said so
	biflow     bool    // the exporter sees both directions
	half       [2]half // sent by a, sent by b
	others     [3]uint32
	told       uint8 // how many of others have been reported
	numOthers  uint8
	hasRare    bool // its place in table.rare is in use
}

// rare is what few flows need, kept apart so that entries stay small.
type rare struct {
	totals [2]totals
	// What a NAT made of the tuple, in a, b order.
	postA, postB         plan.Addr
	postPortA, postPortB uint16
}

// totals are the cumulative counters of one direction as last exported.
type totals struct {
	began          flow.Time
	packets, bytes uint64
}

// list is a doubly linked list through entries, oldest first.
type list struct{ head, tail uint32 }

// table is a chained hash table of entries in one slab, bounded.
type table struct {
	seed    uint64
	buckets []uint32
	slab    []entry // neither slab moves: their memory is reserved whole and touched as far as it is used
	rare    []rare  // by the same index
	free    []uint32
	limit   int
	waiting list // flows with something to report, in order of deadline
	idle    list // flows all of which is reported, in order of last use
}

func newTable(limit int, seed uint64) *table {
	size := 2 << bits.Len(uint(max(limit, 16)-1)) // half empty: short chains
	t := &table{
		seed: seed, limit: limit, buckets: make([]uint32, size),
		slab: make([]entry, 0, limit), rare: make([]rare, limit),
		waiting: list{none, none}, idle: list{none, none},
	}
	for i := range t.buckets {
		t.buckets[i] = none
	}
	return t
}

// hash mixes a key by multiplication folding, as wyhash does. With a secret seed
// traffic cannot be made to collide; with seed 0 it gives flow identities.
func hash(k *key, seed uint64) uint64 {
	h := mix(k.a.Hi^seed^0x9e3779b97f4a7c15, k.a.Lo^0xe7037ed1a0b428db)
	h = mix(h^k.b.Hi, k.b.Lo^0x8ebc6af09c88c6e3)
	return mix(h^uint64(k.portA)<<48^uint64(k.portB)<<32^uint64(k.scope), uint64(k.proto)^seed^0x589965cc75374cc3)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func (t *table) find(k *key, h uint64) uint32 {
	for i := t.buckets[h&uint64(len(t.buckets)-1)]; i != none; i = t.slab[i].chain {
		if e := &t.slab[i]; e.hash == h && e.key == *k {
			return i
		}
	}
	return none
}

// insert returns a fresh entry, or none when the table is full: the caller then
// makes room.
func (t *table) insert(k *key, h uint64) uint32 {
	var i uint32
	switch {
	case len(t.free) > 0:
		i = t.free[len(t.free)-1]
		t.free = t.free[:len(t.free)-1]
	case len(t.slab) < t.limit:
		i = uint32(len(t.slab))
		t.slab = append(t.slab, entry{})
	default:
		return none
	}
	bucket := &t.buckets[h&uint64(len(t.buckets)-1)]
	e := &t.slab[i]
	*e = entry{key: *k, hash: h, chain: *bucket, prev: none, next: none}
	*bucket = i
	return i
}

// rareOf gives entry i its place for what few flows need.
func (t *table) rareOf(i uint32) *rare {
	if e := &t.slab[i]; !e.hasRare {
		e.hasRare = true
		t.rare[i] = rare{}
	}
	return &t.rare[i]
}

// remove forgets entry i, which must be in no list.
func (t *table) remove(i uint32) {
	link := &t.buckets[t.slab[i].hash&uint64(len(t.buckets)-1)]
	for *link != i {
		link = &t.slab[*link].chain
	}
	*link = t.slab[i].chain
	t.free = append(t.free, i)
}

func (t *table) push(l *list, i uint32) {
	e := &t.slab[i]
	e.prev, e.next = l.tail, none
	if l.tail == none {
		l.head = i
	} else {
		t.slab[l.tail].next = i
	}
	l.tail = i
}

func (t *table) unlink(l *list, i uint32) {
	e := &t.slab[i]
	if e.prev == none {
		l.head = e.next
	} else {
		t.slab[e.prev].next = e.next
	}
	if e.next == none {
		l.tail = e.prev
	} else {
		t.slab[e.next].prev = e.prev
	}
}

// len is the number of flows in the table.
func (t *table) len() int { return len(t.slab) - len(t.free) }
