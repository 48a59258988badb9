package watch

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// soon is how long a connection that goes on may go unreported at first, and how
// often the kernel's table is looked at.
const soon = 5 * time.Second

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
	clientProgram  string
	serverProgram  string
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

// knows reports whether a connection is remembered.
func (l *ledger) knows(c connection) bool { return l.live[c.flow] != nil }

// begun notes a connection that has just begun, or that is seen for the first
// time, with the programs at its ends.
func (l *ledger) begun(c connection, now flow.Time, round uint64, client, server string) {
	if l.live[c.flow] != nil {
		return
	}
	if len(l.live) >= l.capacity {
		l.overflow++
		return
	}
	e := newEntry(c, now)
	e.clientProgram, e.serverProgram, e.round = client, server, round
	l.live[c.flow] = e
}

func newEntry(c connection, now flow.Time) *entry {
	e := &entry{last: c, first: now}
	if c.start != 0 {
		e.first = c.start
	}
	e.since = e.first
	return e
}

// alive notes that a connection remembered is in a dump; it gives a record when
// the last one is an active timeout old.
func (l *ledger) alive(c connection, now flow.Time, round uint64, to []flow.Record) []flow.Record {
	id := c.flow
	e := l.live[id]
	if e == nil {
		return to // one too many
	}
	e.last, e.round = c, round
	wait := l.active
	if e.split == 0 {
		wait = min(wait, soon) // that there is a dependency is known soon
	}
	silent := e.split > 0 && c.client.packets > 0 && c.client == e.client && c.server == e.server
	if now-e.since >= flow.Time(wait) && !silent {
		to = append(to, l.record(id, e, now, flow.EndActive))
	}
	return to
}

// ended gives the last record of a connection.
func (l *ledger) ended(c connection, now flow.Time, to []flow.Record) []flow.Record {
	id := c.flow
	e := l.live[id]
	if e == nil {
		e = newEntry(c, now)
	}
	delete(l.live, id)
	if c.stop != 0 {
		now = c.stop
	}
	e.last = c
	return l.last(id, e, now, flow.EndOfFlow, to)
}

// vanished ends the connections that neither the dump of this round nor the one
// before showed: their end was lost, or never announced because they are older than
// the listener. An end that is only still on its way has come by then.
func (l *ledger) vanished(round uint64, now flow.Time, to []flow.Record) []flow.Record {
	for id, e := range l.live {
		if e.round+1 < round {
			delete(l.live, id)
			to = l.last(id, e, now, flow.EndIdle, to)
		}
	}
	return to
}

// drain reports every connection still open, for a listener that stops.
func (l *ledger) drain(now flow.Time, to []flow.Record) []flow.Record {
	for id, e := range l.live {
		delete(l.live, id)
		to = l.last(id, e, now, flow.EndForced, to)
	}
	slices.SortFunc(to, func(a, b flow.Record) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.ID, b.ID)) })
	return to
}

// last reports the end of a connection, unless nothing has happened since it was
// reported before: a closed connection stays in the kernel's table for minutes.
func (l *ledger) last(id uint64, e *entry, now flow.Time, end flow.EndReason, to []flow.Record) []flow.Record {
	if e.split > 0 && e.last.client == e.client && e.last.server == e.server {
		return to
	}
	return append(to, l.record(id, e, now, end))
}

// record reports what the entry counted since its last record.
func (l *ledger) record(id uint64, e *entry, now flow.Time, end flow.EndReason) flow.Record {
	c := &e.last
	r := flow.Record{
		ID: id, Key: c.key, First: e.since, Last: max(now, e.since),
		ClientPackets: c.client.packets - e.client.packets, ServerPackets: c.server.packets - e.server.packets,
		ClientBytes: c.client.bytes - e.client.bytes, ServerBytes: c.server.bytes - e.server.bytes,
		Outcome: c.outcome(), Evidence: flow.EvidenceConntrack, Confidence: 100,
		End: end, Split: e.split, Sensor: l.sensor, Source: flow.SourceConntrack, NAT: c.nat(),
		ClientProcess: e.clientProgram, ServerProcess: e.serverProgram,
	}
	if c.turned {
		r.Evidence, r.Confidence = flow.EvidenceKnownPort, 90
	}
	e.client, e.server, e.since = c.client, c.server, r.Last
	e.split++
	return r
}
