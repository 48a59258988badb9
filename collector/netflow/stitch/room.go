package stitch

import "github.com/bulkhead/bulkhead/collector/netflow/plan"

// create makes an entry for a flow not in the table, making room if it must.
func (s *Stitcher) create(k *key, h uint64, src *Source, r *plan.Row) uint32 {
	i := s.t.insert(k, h)
	if i == none {
		s.makeRoom()
		i = s.t.insert(k, h)
	}
	e := &s.t.slab[i]
	e.begin(src, r)
	s.t.push(&s.t.idle, i)
	return i
}

// roomAtOnce is how many flows makeRoom forgets: their cache misses overlap.
const roomAtOnce = 64

// makeRoom forgets the flows that were reported longest ago or, if all wait,
// reports the one that has waited longest and forgets it.
func (s *Stitcher) makeRoom() {
	if s.t.idle.head == none {
		s.stats.Evicted++
		s.report(s.t.waiting.head)
	}
	var victims [roomAtOnce]uint32
	n := 0
	for i := s.t.idle.head; i != none && n < len(victims); i = s.t.slab[i].next {
		victims[n] = i
		n++
	}
	for _, i := range victims[:n] {
		s.touched += uint64(s.t.buckets[s.t.slab[i].hash&uint64(len(s.t.buckets)-1)])
	}
	for _, i := range victims[:n] {
		s.t.unlink(&s.t.idle, i)
		s.t.remove(i)
	}
}
