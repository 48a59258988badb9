package controller

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/internal/durable"
)

// add takes a batch; it returns when the batch is on disk, or was before.
func (b *inbox) add(ctx context.Context, host string, batch *fleet.Batch) error {
	g, err := b.place(host, batch)
	if g == nil {
		return err
	}
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// place puts a batch into the group being filled. It returns the group to wait
// for, nil when there is nothing to wait for.
func (b *inbox) place(host string, batch *fleet.Batch) (*group, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows := uint64(batch.Rows())
	if m := b.last[host]; m.Queue == batch.Queue && batch.Seq <= m.Seq {
		b.stats.Received += rows
		b.stats.Duplicate += rows
		for _, g := range b.writing { // sent twice before it was acknowledged once
			if _, here := g.marks[host]; here {
				return g, nil
			}
		}
		return nil, nil
	}
	if b.bytes > b.max {
		return nil, errFull
	}
	b.stats.Received += rows
	b.stats.Waiting += rows
	g := b.open()
	if _, again := g.marks[host]; !again {
		g.before[host] = b.last[host]
	}
	m := mark{batch.Queue, batch.Seq}
	b.last[host], g.marks[host] = m, m
	g.rows.Records = append(g.rows.Records, batch.Records...)
	g.rows.Violations = append(g.rows.Violations, batch.Violations...)
	notify(b.toWrite)
	return g, nil
}

// open returns the group being filled. b.mu is held.
func (b *inbox) open() *group {
	if n := len(b.writing); n > 0 && !b.writing[n-1].sealed && b.writing[n-1].rows.count() < maxGroupRows {
		return b.writing[n-1]
	}
	g := &group{number: b.next, marks: map[string]mark{}, before: map[string]mark{}, done: make(chan struct{})}
	b.next++
	b.writing = append(b.writing, g)
	return g
}

// gather is how long a group waits for more batches: a block of the store costs it
// about the same whatever is in it.
const gather = 200 * time.Millisecond

// write puts groups on disk until ctx ends. Batches of groups that are not there by
// then were not acknowledged, and come again.
func (b *inbox) write(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.toWrite:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(gather):
		}
		for g := b.seal(); g != nil; g = b.seal() {
			b.settle(g, b.writeGroup(g))
		}
	}
}

// seal returns the oldest group that is not on disk, to which nothing is added any
// more.
func (b *inbox) seal() *group {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.writing) == 0 {
		return nil
	}
	b.writing[0].sealed = true
	return b.writing[0]
}

func (b *inbox) writeGroup(g *group) error {
	g.rows.Marks = g.marks
	text, err := json.Marshal(&g.rows)
	if err != nil {
		return err
	}
	g.size = int64(len(text))
	return durable.Replace(b.groupPath(g.number), text)
}

// settle acknowledges a group's batches, or gives them back.
func (b *inbox) settle(g *group, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writing = b.writing[1:]
	if err != nil {
		b.log.Error("controller: reported rows cannot be kept; hosts keep them", "error", err)
		b.stats.Received -= g.rows.count()
		b.stats.Waiting -= g.rows.count()
		for host, m := range g.before {
			if b.last[host] == g.marks[host] {
				b.last[host] = m
			}
		}
	} else {
		b.waiting = append(b.waiting, g)
		b.bytes += g.size
		notify(b.toStore)
	}
	g.rows, g.err = groupRows{}, err
	close(g.done)
}

// firstRetry and maxRetry bound how often a store that is away is asked.
const (
	firstRetry = 100 * time.Millisecond
	maxRetry   = 10 * time.Second
)

// drain stores groups, oldest first, until ctx ends.
func (b *inbox) drain(ctx context.Context) error {
	wait := firstRetry
	for {
		b.mu.Lock()
		var g *group
		if len(b.waiting) > 0 {
			g = b.waiting[0]
		}
		b.mu.Unlock()
		if g == nil {
			select {
			case <-ctx.Done():
				return nil
			case <-b.toStore:
			}
			continue
		}
		err := b.deliver(ctx, g)
		if err == nil {
			wait = firstRetry
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		b.log.Warn("controller: the store does not take rows; they wait", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, maxRetry)
	}
}

// deliver stores one group and forgets it.
func (b *inbox) deliver(ctx context.Context, g *group) error {
	rows, _, err := b.readGroup(g)
	if err != nil {
		return err
	}
	err = b.sink.Store(ctx, b.token(g.number), rows.Records, rows.Violations)
	refused := errors.Is(err, ErrRefused)
	if err != nil && !refused {
		return err
	}
	if err := b.remember(g); err != nil {
		return err
	}
	path := b.groupPath(g.number)
	if refused {
		b.log.Error("controller: rows set aside", "file", path+".refused", "error", err)
		err = os.Rename(path, path+".refused")
	} else {
		err = os.Remove(path)
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = b.waiting[1:]
	b.bytes -= g.size
	b.stats.Waiting -= rows.count()
	if refused {
		b.stats.Refused += rows.count()
	} else {
		b.stats.Stored += rows.count()
	}
	return nil
}

// remember writes down which batches are stored, before the group that says so is
// deleted.
func (b *inbox) remember(g *group) error {
	b.mu.Lock()
	for host, m := range g.marks {
		b.stored[host] = m
	}
	text, err := json.Marshal(marksFile{Next: g.number + 1, Marks: b.stored})
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(b.dir, "marks.json"), text)
}

// Stats returns the counts so far.
func (b *inbox) Stats() InboxStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stats
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
