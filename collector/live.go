package collector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/flow"
)

// LiveOptions configure a live capture. Interfaces must be given.
type LiveOptions struct {
	// Interfaces are listened to, all of them.
	Interfaces []string
	// Filter runs in the kernel (package filter compiles expressions); nil takes all.
	Filter []bpf.RawInstruction
	// Fanout is how many rings share an interface's flows, each with a core's work
	// and a flow table of its own; 0 means 1.
	Fanout int
	// Ring configures the rings; its Filter and FanoutGroup are overridden.
	Ring capture.RingOptions
	// Retry is how often a removed interface is looked for; 0 means a second.
	Retry time.Duration
	// Options are as for Import. An empty Sensor means the names of the interfaces
	// that saw the flow. Assemble.HoldFor 0 means two minutes here.
	Options
}

// holdLive is how long a record of unsure direction waits on a live sensor.
const holdLive = 2 * time.Minute

// tickEvery is how often a ring's stages are told the time.
const tickEvery = time.Second

// Live is a task that captures from interfaces until its context ends. It
// survives an interface going down, being renamed, or being removed and coming
// back.
type Live struct {
	o       LiveOptions
	sink    *lockedSink
	exports *exports
	lanes   []*lane
	workers []*worker
	ready   chan struct{}
}

// OpenLive opens all rings, so that nothing that comes later needs more privilege
// than CAP_NET_RAW, and that only for an interface that comes back. sink may be
// called by several goroutines, one at a time.
func OpenLive(o LiveOptions, sink Sink) (*Live, error) {
	if len(o.Interfaces) == 0 {
		return nil, errors.New("open live capture: no interface given")
	}
	o.Fanout = max(1, o.Fanout)
	if o.Retry <= 0 {
		o.Retry = time.Second
	}
	if o.Assemble.HoldFor <= 0 {
		o.Assemble.HoldFor = holdLive
	}
	l := &Live{o: o, sink: &lockedSink{sink: sink}, ready: make(chan struct{})}
	if !o.WithoutExports {
		l.exports = &exports{sink: l.sink}
		l.exports.reconfigure(o.Options)
	}
	for range o.Fanout {
		l.lanes = append(l.lanes, l.lane())
	}
	for n, name := range o.Interfaces {
		for _, lane := range l.lanes {
			w, err := l.open(name, n, lane)
			if err != nil {
				return nil, errors.Join(err, l.close())
			}
			l.workers = append(l.workers, w)
		}
	}
	return l, nil
}

// lane makes the stages that the nth ring of every interface shares: the kernel
// spreads flows over the rings of an interface by the same hash everywhere, so all
// packets of a flow meet in one lane, and copies of them are noticed.
func (l *Live) lane() *lane {
	o := l.o.Options
	o.Assemble.Interfaces = l.o.Interfaces
	if o.Names.Sensor = o.Sensor; o.Names.Sensor == "" {
		o.Names.Sensor = strings.Join(l.o.Interfaces, "+")
	}
	// A learner is not for sharing between goroutines, and exports are decoded once.
	o.Assemble.Learner = direction.New(direction.Options{Overrides: o.Direction})
	o.WithoutExports = true
	a := &lane{pipeline: newPipeline(o, l.sink)}
	a.pipeline.exports = l.exports
	a.publish()
	return a
}

func (l *Live) open(name string, n int, a *lane) (*worker, error) {
	ring := l.o.Ring
	ring.Filter = l.o.Filter
	if l.o.Fanout > 1 {
		ring.FanoutGroup = fanoutGroup(uint16(n + 1))
	}
	r, err := capture.OpenRing(name, ring)
	if err != nil {
		return nil, err
	}
	w := &worker{name: name, number: uint32(n), options: ring, ring: r, lane: a}
	w.publish()
	return w, nil
}

// Run captures until ctx ends, and then hands on everything it holds.
func (l *Live) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, w := range l.workers {
		all.Go(func() {
			if err := w.run(ctx, l.o.Retry); err != nil {
				cancel(err)
			}
		})
	}
	if l.exports != nil {
		all.Go(func() { l.tickExports(ctx, cancel) })
	}
	close(l.ready)
	all.Wait()
	err := l.close()
	for _, a := range l.lanes {
		err = errors.Join(err, a.pipeline.flush())
		a.publish()
	}
	if l.exports != nil {
		err = errors.Join(err, l.exports.flush())
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		err = errors.Join(cause, err)
	}
	return err
}

// tickExports lets the decoder of flow exports know the time.
func (l *Live) tickExports(ctx context.Context, cancel context.CancelCauseFunc) {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			if err := l.exports.tick(flow.TimeOf(now)); err != nil {
				cancel(err)
				return
			}
		}
	}
}

// Ready is closed once all rings are read.
func (l *Live) Ready() <-chan struct{} { return l.ready }

// String names the task.
func (l *Live) String() string { return "capture on " + strings.Join(l.o.Interfaces, ", ") }

// Stats returns the counters of all rings together, at most a second old. It may
// be called at any time.
func (l *Live) Stats() Stats {
	var s Stats
	for _, a := range l.lanes {
		s.merge(a.stats.Load())
	}
	for _, w := range l.workers {
		s.Kernel.Add(*w.stats.Load())
	}
	if l.exports != nil {
		l.exports.add(&s)
	}
	return s
}

func (l *Live) close() error {
	var err error
	for _, w := range l.workers {
		err = errors.Join(err, w.ring.Close())
	}
	return err
}

// lockedSink lets several rings use one sink.
type lockedSink struct {
	mu   sync.Mutex
	sink Sink
}

func (s *lockedSink) Records(r []flow.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sink.Records(r)
}

func (s *lockedSink) Names(n []flow.Name) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sink.Names(n)
}

// lane is the stages behind some rings, one of each interface.
type lane struct {
	mu       sync.Mutex // held for a block of packets at a time
	pipeline *pipeline
	stats    atomic.Pointer[Stats]
}

// publish makes the counters readable by others; mu is held, or nobody else runs.
func (a *lane) publish() {
	s := a.pipeline.snapshot()
	a.stats.Store(&s)
}

func (a *lane) tick(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pipeline.tick(flow.TimeOf(now))
	a.publish()
	return a.pipeline.err()
}

// worker reads one ring into its lane.
type worker struct {
	name    string
	number  uint32 // of the interface
	options capture.RingOptions
	ring    *capture.Ring
	lane    *lane
	before  capture.RingStats // of rings before this one
	stats   atomic.Pointer[capture.RingStats]
	failed  error
}

func (w *worker) run(ctx context.Context, retry time.Duration) error {
	last := time.Now()
	for ctx.Err() == nil && w.failed == nil {
		ready, err := w.ring.Wait(tickEvery / 10)
		switch {
		case errors.Is(err, capture.ErrInterfaceGone):
			err = w.reopen(ctx, retry)
		case ready:
			w.block()
		}
		if w.failed == nil {
			w.failed = err
		}
		if now := time.Now(); now.Sub(last) >= tickEvery && w.failed == nil {
			last = now
			w.failed = w.lane.tick(now)
			w.publish()
		}
	}
	w.publish()
	if w.failed != nil {
		return fmt.Errorf("capture on %s: %w", w.name, w.failed)
	}
	return nil
}

// block takes the block that is ready through the lane.
func (w *worker) block() {
	w.lane.mu.Lock()
	defer w.lane.mu.Unlock()
	p := w.lane.pipeline
	w.ring.Read(func(f *capture.Frame) {
		f.Interface = w.number
		if err := p.frame(f); err != nil && w.failed == nil {
			w.failed = err
		}
	}, p.drain)
}

// reopen waits for an interface of the same name to come back.
func (w *worker) reopen(ctx context.Context, retry time.Duration) error {
	if s, err := w.ring.Stats(); err == nil {
		w.before.Add(s)
	}
	if err := w.ring.Close(); err != nil {
		return err
	}
	for {
		r, err := capture.OpenRing(w.name, w.options)
		if err == nil {
			w.ring = r
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case now := <-time.After(retry):
			if err := w.lane.tick(now); err != nil {
				return err
			}
		}
	}
}

// publish makes the kernel's counters readable by others.
func (w *worker) publish() {
	s := w.before
	if now, err := w.ring.Stats(); err == nil {
		s.Add(now)
	}
	w.stats.Store(&s)
}
