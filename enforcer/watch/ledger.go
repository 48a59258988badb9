package watch

import (
	"encoding/binary"
	"hash/fnv"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// ledger turns sightings of connections into flow records: one when a connection
// ends, and before that one per active timeout. It is not safe for concurrent use.
type ledger struct {
	sensor   string
	active   time.Duration
	capacity int
	live     map[uint64]*entry
	overflow uint64 // connections seen alive and not remembered; their end is still recorded
}

type entry struct {
	last           connection
	first          flow.Time // of the connection
	since          flow.Time // begin of the record to come
	client, server counters  // recorded so far
	split          uint32
	round          uint64 // last dump it was in
}

func newLedger(sensor string, active time.Duration, capacity int) *ledger {
	return &ledger{sensor: sensor, active: active, capacity: capacity, live: map[uint64]*entry{}}
}

// identity is the flow's, across its splits and whichever way it is turned.
func (c *connection) identity() uint64 {
	h := fnv.New64a()
	var b [12]byte
	binary.BigEndian.PutUint32(b[:], c.id)
	binary.BigEndian.PutUint16(b[4:], c.key.ClientPort)
	binary.BigEndian.PutUint16(b[6:], c.key.ServerPort)
	b[8] = c.key.Proto
	h.Write(b[:])
	h.Write(c.key.Client.AsSlice())
	h.Write(c.key.Server.AsSlice())
	return max(h.Sum64(), 1)
}

// alive notes a connection found in a dump; it gives a record when the last one is
// an active timeout old.
func (l *ledger) alive(c connection, now flow.Time, round uint64, to []flow.Record) []flow.Record {
	id := c.flow
	e := l.live[id]
	if e == nil {
		if len(l.live) >= l.capacity {
			l.overflow++
			return to
		}
		e = &entry{first: now}
		if c.start != 0 {
			e.first = c.start
		}
		e.since = e.first
		l.live[id] = e
	}
	e.last, e.round = c, round
	if now-e.since >= flow.Time(l.active) {
		to = append(to, l.record(id, e, now, flow.EndActive))
	}
	return to
}

// ended gives the last record of a connection.
func (l *ledger) ended(c connection, now flow.Time, to []flow.Record) []flow.Record {
	id := c.flow
	e := l.live[id]
	if e == nil {
		e = &entry{first: now}
		if c.start != 0 {
			e.first = c.start
		}
		e.since = e.first
	}
	delete(l.live, id)
	if c.stop != 0 {
		now = c.stop
	}
	e.last = c
	return append(to, l.record(id, e, now, flow.EndOfFlow))
}

// vanished ends the connections that the dump of this round did not show: their
// end was never announced, because they are older than the listener.
func (l *ledger) vanished(round uint64, now flow.Time, to []flow.Record) []flow.Record {
	for id, e := range l.live {
		if e.round != round {
			delete(l.live, id)
			to = append(to, l.record(id, e, now, flow.EndIdle))
		}
	}
	return to
}

// record reports what the entry counted since its last record.
func (l *ledger) record(id uint64, e *entry, now flow.Time, end flow.EndReason) flow.Record {
	c := &e.last
	r := flow.Record{
		ID: id, Key: c.key, First: e.since, Last: max(now, e.since),
		ClientPackets: c.client.packets - e.client.packets, ServerPackets: c.server.packets - e.server.packets,
		ClientBytes: c.client.bytes - e.client.bytes, ServerBytes: c.server.bytes - e.server.bytes,
		Outcome: c.outcome(), Evidence: flow.EvidenceConntrack, Confidence: 100,
		End: end, Split: e.split, Sensor: l.sensor, Source: flow.SourceConntrack,
	}
	if c.turned {
		r.Evidence, r.Confidence = flow.EvidenceKnownPort, 90
	}
	e.client, e.server, e.since = c.client, c.server, r.Last
	e.split++
	return r
}
