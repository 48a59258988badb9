package assemble

import (
	"cmp"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
)

// sweep walks one part of the table for flows that are over or have lasted too
// long. The whole table is walked in Idle/4; a flow whose packets come back after
// its timeout is noticed by the packet itself, exactly.
func (t *Table) sweep(now flow.Time) {
	period := flow.Time(t.o.Idle) / 4
	steps := uint32(1)
	if t.nextSweep != 0 && now > t.nextSweep {
		steps += uint32(min((now-t.nextSweep)/(period/sweepSteps+1), sweepSteps-1))
	}
	t.nextSweep = now + period/sweepSteps
	part := (t.used + sweepSteps - 1) / sweepSteps * steps
	for range min(part, t.used) {
		if t.hand >= t.used {
			t.hand = 0
		}
		if e := &t.entries[t.hand]; e.has(inUse) {
			t.expire(e, now)
		}
		t.hand++
	}
	t.frags.expire(now, &t.stats)
	t.fold.Expire(now)
	if t.o.HoldFor > 0 && len(t.weak) > 0 && now-t.weakSince > flow.Time(t.o.HoldFor) {
		t.releaseWeak()
	}
}

func (t *Table) expire(e *entry, now flow.Time) {
	switch {
	case now-e.last > t.patience(e):
		why := flow.EndIdle
		if e.has(closed) {
			why = flow.EndOfFlow
		}
		t.finish(e, why)
	case now-e.first > flow.Time(t.o.Active) && e.bytes[0]+e.bytes[1] > 0:
		t.splitFlow(e)
	}
}

// Advance lets time pass without a packet, as on a quiet interface.
func (t *Table) Advance(now flow.Time) {
	if now >= t.nextSweep {
		t.sweep(now)
	}
	if len(t.batch) > 0 {
		t.send()
	}
}

// allocate returns the number of a free entry, evicting one if it must.
func (t *Table) allocate() (uint32, bool) {
	if n := len(t.free); n > 0 {
		e := t.free[n-1]
		t.free = t.free[:n-1]
		return e, true
	}
	if int(t.used) < t.o.Capacity {
		t.used++
		return t.used - 1, true
	}
	t.evict()
	if n := len(t.free); n > 0 {
		e := t.free[n-1]
		t.free = t.free[:n-1]
		return e, true
	}
	return 0, false
}

// evictSample is how many entries an eviction looks at: with half the table being
// a flood, the chance that none of 32 belongs to it is 2^-32.
const evictSample = 32

// evict closes the least valuable of the next few entries: an attempt nobody
// answered before a closed connection before a live one, the longest silent first.
func (t *Table) evict() {
	var victim *entry
	worth := 0
	for range min(evictSample, int(t.used)) {
		if t.evictHand++; t.evictHand >= t.used {
			t.evictHand = 0
		}
		e := &t.entries[t.evictHand]
		if !e.has(inUse) {
			continue
		}
		w := 2
		switch {
		case !e.has(answered):
			w = 0
		case e.has(closed):
			w = 1
		}
		if victim == nil || w < worth || w == worth && e.last < victim.last {
			victim, worth = e, w
		}
	}
	if victim != nil {
		t.stats.Evicted++
		t.finish(victim, flow.EndResources)
	}
}

// Flush closes all flows in the order they were last seen, and hands on all
// records. The table can be used again afterwards.
func (t *Table) Flush() error {
	live := make([]uint32, 0, t.index.count)
	for n := range t.used {
		if t.entries[n].has(inUse) {
			live = append(live, n)
		}
	}
	slices.SortFunc(live, func(a, b uint32) int {
		x, y := &t.entries[a], &t.entries[b]
		return cmp.Or(cmp.Compare(x.last, y.last), cmp.Compare(x.first, y.first), cmp.Compare(x.id, y.id))
	})
	for _, n := range live {
		e, why := &t.entries[n], flow.EndForced
		if e.has(closed) {
			why = flow.EndOfFlow
		}
		t.finish(e, why)
	}
	t.frags.flush(&t.stats)
	t.fold.Flush()
	t.releaseWeak()
	t.send()
	t.free, t.used, t.hand = t.free[:0], 0, 0
	return t.err
}

// send hands the batch on.
func (t *Table) send() {
	if len(t.batch) == 0 {
		return
	}
	if t.err == nil {
		if t.err = t.emit(t.batch); t.err == nil {
			t.stats.Records += uint64(len(t.batch))
		}
	}
	t.batch = t.batch[:0]
}

// releaseWeak decides the records that were held back once more, and lets them go.
func (t *Table) releaseWeak() {
	for i := range t.weak {
		r := &t.weak[i]
		client := r.Key.Client
		t.o.Learner.Revise(r)
		if r.Key.Client != client && r.Outcome == flow.Unanswered {
			r.Outcome = flow.OneWay // it was the server that spoke: the client is out of sight
		}
		t.push(r)
	}
	t.weak = t.weak[:0]
}

func (t *Table) push(r *flow.Record) {
	t.batch = append(t.batch, *r)
	if len(t.batch) == batchSize {
		t.send()
	}
}
