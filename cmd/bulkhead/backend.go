package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

// backend gives the API what it declares it needs. Safe for concurrent use.
type backend struct {
	s       *session
	hub     *httpapi.Hub
	started flow.Time
	stages  func() []httpapi.Stage // of the sensors in this process
	jobs    jobList
	// requests counts what the API answered.
	requests httpapi.Counters
	changed  func() // hosts may have to enforce something else now

	mu       sync.Mutex
	estate   *topology.Map // over the default window; nil before the first
	probes   []flow.Probe
	rows     uint64 // flow records when estate was made
	stale    bool   // something people decided has changed since
	windows  map[httpapi.Window]*projected
	building sync.Mutex // one map at a time
}

// projected is the traffic of a window under the estate's labels.
type projected struct {
	ref    *topology.Map
	m      *topology.Map
	probes []flow.Probe
}

// maxWindows bounds the maps kept for windows other than the default one.
const maxWindows = 8

func newBackend(s *session, hub *httpapi.Hub, now flow.Time) *backend {
	return &backend{s: s, hub: hub, started: now, windows: map[httpapi.Window]*projected{},
		stages: func() []httpapi.Stage { return []httpapi.Stage{} }, changed: func() {}}
}

// Map implements httpapi.MapSource.
func (b *backend) Map(ctx context.Context, w httpapi.Window) (*topology.Map, error) {
	m, _, err := b.view(ctx, w)
	return m, err
}

// view returns the map of a window with its probes; the same pointers as long as
// nothing has changed.
func (b *backend) view(ctx context.Context, w httpapi.Window) (*topology.Map, []flow.Probe, error) {
	b.mu.Lock()
	estate, probes := b.estate, b.probes
	b.mu.Unlock()
	if estate == nil {
		if err := b.refresh(ctx); err != nil {
			return nil, nil, err
		}
		return b.view(ctx, w)
	}
	if w == (httpapi.Window{}) {
		return estate, probes, nil
	}
	b.mu.Lock()
	p := b.windows[w]
	b.mu.Unlock()
	if p != nil && p.ref == estate {
		return p.m, p.probes, nil
	}
	until := w.Until
	if until == 0 {
		until = estate.Until
	}
	m, probes, err := b.s.project(ctx, estate, w.Since, until)
	if err != nil {
		return nil, nil, err
	}
	b.mu.Lock()
	if len(b.windows) >= maxWindows {
		clear(b.windows)
	}
	b.windows[w] = &projected{estate, m, probes}
	b.mu.Unlock()
	return m, probes, nil
}

// refresh makes the map anew if traffic was recorded or decisions were taken since
// the last one, and tells open dashboards.
func (b *backend) refresh(ctx context.Context) error {
	b.building.Lock()
	defer b.building.Unlock()
	rows, err := b.s.store.Rows(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	same := b.estate != nil && rows == b.rows && !b.stale
	b.stale = false
	b.mu.Unlock()
	if same {
		return nil
	}
	m, probes, err := b.s.estateMap(ctx)
	if err != nil {
		b.decided() // what changed is still not on the map
		if errors.Is(err, errNothingRecorded) {
			return httpapi.Errorf(httpapi.CodeNotReady, "%v", err)
		}
		return err
	}
	b.mu.Lock()
	b.estate, b.probes, b.rows = m, probes, rows
	clear(b.windows)
	b.mu.Unlock()
	return b.hub.Publish(httpapi.Event{Kind: httpapi.EventMap})
}

// decided marks the map as made under decisions that have changed.
func (b *backend) decided() {
	b.mu.Lock()
	b.stale = true
	b.mu.Unlock()
	b.changed()
}

// Flows implements httpapi.MapSource.
func (b *backend) Flows(ctx context.Context, q httpapi.FlowQuery) ([]flow.Record, error) {
	return b.s.store.Flows(ctx, store.FlowQuery{
		Query: store.Query{Since: q.Since, Until: q.Until, Service: q.Service,
			ClientAny: parties(q.Client), ServerAny: parties(q.Server)},
		Limit: q.Limit,
	})
}

// parties are the ends that stand for nodes: workloads by key, the rest by their
// addresses.
func parties(nodes []topology.Node) []flow.Party {
	var ps []flow.Party
	for i := range nodes {
		n := &nodes[i]
		if n.Claimed() {
			ps = append(ps, flow.Party{Workload: topology.WorkloadKey(n.ID)})
		}
		for _, a := range n.Addrs {
			ps = append(ps, flow.Party{Addr: a, Scope: n.Scope})
		}
	}
	return ps
}

// Status implements httpapi.StatusSource.
func (b *backend) Status(ctx context.Context) (*httpapi.Status, error) {
	st := &httpapi.Status{Version: version, Started: b.started, Store: b.s.engine.String(), Stages: b.stages(), Jobs: b.jobs.list()}
	if err := b.s.store.Ping(ctx); err != nil {
		st.Problem = fmt.Sprintf("the store does not answer: %v", err)
		return st, nil
	}
	var err error
	if st.First, st.Last, err = b.s.store.Window(ctx); err != nil {
		return nil, err
	}
	if st.Rows, err = b.s.store.Rows(ctx); err != nil {
		return nil, err
	}
	health, err := b.s.store.Health(ctx)
	if err != nil {
		return nil, err
	}
	st.Stages = append(st.Stages, storedStages(health, len(st.Stages) > 0)...)
	st.Ready = true
	return st, nil
}

// storedStages are what sensors of other processes, and imports, last reported. own
// says that this process has sensors itself, whose reports are older than what they
// say now.
func storedStages(health []store.SensorHealth, own bool) []httpapi.Stage {
	host, _ := os.Hostname()
	var out []httpapi.Stage
	for _, h := range health {
		if h.Kind == kindExporter || h.Kind == kindUnknown || own && h.Sensor == host {
			continue
		}
		st := httpapi.Stage{Name: h.Kind, Sensor: h.Sensor, Unit: h.Message, Received: h.Counters["received"],
			Passed: h.Counters["passed"], Waiting: h.Counters["waiting"], Deduplicated: h.Counters["deduplicated"], Drops: []httpapi.Drop{}}
		for reason, n := range h.Drops {
			st.Drops = append(st.Drops, httpapi.Drop{Reason: reason, Count: n})
		}
		slices.SortFunc(st.Drops, func(a, b httpapi.Drop) int { return strings.Compare(a.Reason, b.Reason) })
		out = append(out, st)
	}
	return out
}

// jobList keeps running and recently ended jobs, newest first. Safe for
// concurrent use.
type jobList struct {
	mu   sync.Mutex
	jobs []httpapi.Job
}

const maxJobs = 20

// set adds a job or replaces the one with its ID.
func (l *jobList) set(j httpapi.Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.jobs {
		if l.jobs[i].ID == j.ID {
			l.jobs[i] = j
			return
		}
	}
	l.jobs = append([]httpapi.Job{j}, l.jobs[:min(len(l.jobs), maxJobs-1)]...)
}

func (l *jobList) list() []httpapi.Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]httpapi.Job{}, l.jobs...)
}
