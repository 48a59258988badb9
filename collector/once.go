package collector

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// onceSkew is by how much the clocks of two observers may differ.
const onceSkew = flow.Time(2 * time.Second)

// onceFlows is how many flows a Once remembers, 56 bytes each. A flow that is
// forgotten before its second observer reports is counted twice.
const onceFlows = 1 << 18

// Once is a Sink that lets each flow count once, though a tap and an exporter, or
// two of either that do not know of each other, report it. The observer that
// reports a flow first counts. What another says of the same time is turned into
// one record with the first one's identity, a split number above 0 and no counters,
// which adds a sensor to the edge and nothing else; the rest of it, and attempts
// that came to nothing, are dropped and counted. It is safe for concurrent use.
type Once struct {
	sink Sink
	mu   sync.Mutex
	seed maphash.Seed
	seen []sighted

	duplicates uint64
}

// sighted is a flow and who counts it.
type sighted struct {
	hash        uint64
	id          uint64
	first, last flow.Time
	sensor      uint64 // hash of its name
	told        uint64 // of the other observer that was last named
	attempt     bool   // what it reported came to nothing
}

// NewOnce returns a Once in front of sink.
func NewOnce(sink Sink) *Once {
	return &Once{sink: sink, seed: maphash.MakeSeed(), seen: make([]sighted, onceFlows)}
}

// Duplicates is how many records were dropped.
func (o *Once) Duplicates() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.duplicates
}

// Names hands names on: seeing one twice does no harm.
func (o *Once) Names(n []flow.Name) error { return o.sink.Names(n) }

// Records hands on what counts. It changes rs.
func (o *Once) Records(rs []flow.Record) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := rs[:0]
	for i := range rs {
		if r := &rs[i]; o.keep(r) {
			kept = append(kept, *r)
		}
	}
	o.duplicates += uint64(len(rs) - len(kept))
	if len(kept) == 0 {
		return nil
	}
	return o.sink.Records(kept)
}

// keep reports whether r is to be handed on, and empties it if it only adds an
// observer.
func (o *Once) keep(r *flow.Record) bool {
	h := o.hash(&r.Key)
	sensor := maphash.String(o.seed, r.Sensor)
	s := &o.seen[h%uint64(len(o.seen))]
	same := s.hash == h && r.First <= s.last+onceSkew && s.first <= r.Last+onceSkew
	came := r.Outcome == flow.Established || r.Outcome == flow.OneWay
	switch {
	case same && (s.sensor == sensor || r.Split > 0 && s.id == r.ID): // a later split may be seen on more interfaces
		s.sensor, s.attempt = sensor, s.attempt && !came
		s.first, s.last = min(s.first, r.First), max(s.last, r.Last)
		return true
	case !same || s.attempt && came: // who saw no answer does not count for who saw one
		*s = sighted{hash: h, id: r.ID, first: r.First, last: r.Last, sensor: sensor, attempt: !came}
		return true
	case !came || s.told == sensor:
		return false
	}
	s.told = sensor
	r.ID, r.Split = s.id, max(1, r.Split)
	r.ClientPackets, r.ServerPackets, r.ClientBytes, r.ServerBytes = 0, 0, 0, 0
	return true
}

// hash is the same for both directions: observers may differ in who the client is.
func (o *Once) hash(k *flow.Key) uint64 {
	a, b := netip.AddrPortFrom(k.Client, k.ClientPort), netip.AddrPortFrom(k.Server, k.ServerPort)
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return maphash.Comparable(o.seed, struct {
		a, b  netip.AddrPort
		proto uint8
		scope flow.Scope
	}{a, b, k.Proto, k.Scope})
}
