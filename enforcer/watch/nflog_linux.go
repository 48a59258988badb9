package watch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// NFLOG listens to the reports of a ruleset. It is a task.
type NFLOG struct {
	opts  Options
	book  *Book
	sink  Sink
	ready chan struct{}
	limit *limiter

	mu    sync.Mutex
	stats Stats
}

// New prepares a listener that explains reports by book and hands violations to
// sink.
func New(opts Options, book *Book, sink Sink) *NFLOG {
	if opts.Group == 0 {
		opts.Group = nft.LogGroup
	}
	if opts.Interval == 0 {
		opts.Interval = 10 * time.Second
	}
	if opts.Edges == 0 {
		opts.Edges = 1 << 16
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &NFLOG{opts: opts, book: book, sink: sink, ready: make(chan struct{}), limit: newLimiter(opts.Interval, opts.Edges)}
}

// String names the task.
func (n *NFLOG) String() string { return fmt.Sprintf("nflog group %d", n.opts.Group) }

// Ready is closed once the kernel delivers to us.
func (n *NFLOG) Ready() <-chan struct{} { return n.ready }

// Stats returns the counts so far; safe to call while Run runs.
func (n *NFLOG) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stats
}

// tick is how often windows are closed and the context is looked at.
const tick = 250 * time.Millisecond

// Run listens until ctx ends, then reports what it still holds.
func (n *NFLOG) Run(ctx context.Context) error {
	g, err := JoinGroup(n.opts.NetNS, n.opts.Group)
	if err != nil {
		return err
	}
	defer g.Close()
	close(n.ready)
	for ctx.Err() == nil {
		if err := n.once(g); err != nil {
			return err
		}
	}
	return n.report(n.limit.drain(nil))
}

// once receives what comes within a tick and reports it.
func (n *NFLOG) once(g *Group) error {
	now := flow.TimeOf(n.opts.Now())
	out := n.limit.expire(now, nil)
	var add Stats
	malformed, err := g.Receive(tick, func(p Packet) { out = n.packet(p, &add, out) })
	n.mu.Lock()
	n.stats.Events += add.Events + uint64(malformed)
	n.stats.Malformed += add.Malformed + uint64(malformed)
	n.stats.Unknown += add.Unknown
	n.stats.Overflow, n.stats.Lost = n.limit.overflow, g.Lost()
	n.mu.Unlock()
	if err != nil {
		return fmt.Errorf("receive from %s: %w", n, err)
	}
	return n.report(out)
}

func (n *NFLOG) report(out []policy.Violation) error {
	if len(out) == 0 {
		return nil
	}
	n.mu.Lock()
	n.stats.Reported += uint64(len(out))
	n.mu.Unlock()
	if err := n.sink.Violations(out); err != nil {
		return fmt.Errorf("%s: store violations: %w", n, err)
	}
	return nil
}

// packet handles one logged packet. The kernel stamps those that came in; those
// going out are of now, which is later than the change that blocked them.
func (n *NFLOG) packet(p Packet, add *Stats, out []policy.Violation) []policy.Violation {
	add.Events++
	key, ok := ParsePacket(p.Payload)
	if !ok {
		add.Malformed++
		return out
	}
	v, id, ok := n.book.violation(p.Prefix, key)
	if !ok {
		add.Unknown++
		return out
	}
	v.Time, v.Host = p.Time, n.opts.Host
	if v.Time == 0 {
		v.Time = flow.TimeOf(n.opts.Now())
	}
	if n.opts.Workload != nil {
		v.Client.Workload, v.Server.Workload = n.opts.Workload(key.Client), n.opts.Workload(key.Server)
	}
	if n.limit.add(id, v) {
		if n.opts.Process != nil {
			v.Process = n.opts.Process(key, v.Inbound)
		}
		out = append(out, v)
	}
	return out
}
