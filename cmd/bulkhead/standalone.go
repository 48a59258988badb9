package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/internal/task"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// standalone enforces a policy file without a controller: the verb
// `agent --standalone`.
type standalone struct {
	*app
	hostFlags
	policy  string
	confirm bool
	store   bool
	care    *enforcer.Aftercare // how the change is watched; nil for not at all
}

func (s *standalone) run(ctx context.Context) error {
	set, err := readPolicy(s.policy)
	if err != nil {
		return err
	}
	host, err := s.host(ctx, set)
	if err != nil {
		return err
	}
	s.care, err = (&enforcing{app: s.app, hostFlags: s.hostFlags}).aftercare(ctx, set)
	if err != nil {
		return err
	}
	if !s.store {
		return s.enforce(ctx, set, host, &lineSink{w: s.out}, nil)
	}
	return s.with(ctx, func(open *session) error {
		w, err := open.writer(ctx, false)
		if err != nil {
			return err
		}
		err = s.enforce(ctx, set, host, &lineSink{w: s.out, also: w}, w)
		return errors.Join(err, w.Close())
	})
}

// enforce runs the enforcer and the listeners until ctx ends. records takes this
// machine's own connections; nil when nobody wants them.
func (s *standalone) enforce(ctx context.Context, set *policy.Set, host nft.Host, to watch.Sink, records watch.RecordSink) (err error) {
	release, err := alone(s.agentDir())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	k, err := nft.Open(0)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	var book watch.Book
	opt := s.enforcerOptions(k)
	opt.OnRuleset, opt.OnStep, opt.Author = book.Set, s.sayStep, "agent"
	e, err := enforcer.Open(opt)
	if err != nil {
		return err
	}
	owners := map[netip.Addr]uint64{}
	for _, w := range host.Workloads {
		for _, a := range w.Addrs {
			owners[a] = topology.WorkloadKey(w.ID)
		}
	}
	listener := watch.New(watch.Options{Host: host.Name, Process: watch.NewProcesses(0).Of,
		Workload: func(a netip.Addr) uint64 { return owners[a] }}, &book, violationSinks{e, to})
	first := &firstChange{e: e, agent: s, set: set, host: host, ready: make(chan struct{})}
	tasks := []task.Task{e, listener, first}
	if records != nil && s.cfg.Agent.Flows {
		tasks = append(tasks, newDiscovery(s.app, 0.1, time.Minute, records))
	}
	return task.Run(ctx, append(tasks, task.NewSystemd(first))...)
}

// firstChange puts the policy file in force once what was confirmed is restored.
type firstChange struct {
	e     *enforcer.Enforcer
	agent *standalone
	set   *policy.Set
	host  nft.Host
	ready chan struct{}
}

func (f *firstChange) String() string         { return "policy file" }
func (f *firstChange) Ready() <-chan struct{} { return f.ready }

// Run applies the set unless it is what is in force.
func (f *firstChange) Run(ctx context.Context) error {
	select {
	case <-f.e.Ready():
	case <-ctx.Done():
		return nil
	}
	if c := f.e.Status().Confirmed; c == nil || c.Hash != f.set.Hash() {
		v, err := f.e.Apply(ctx, enforcer.Request{Set: f.set, Host: f.host, Author: author(), Reason: "policy file " + f.agent.policy, Aftercare: f.agent.care})
		if err != nil {
			return err
		}
		if !v.Deadline.IsZero() && f.agent.confirm {
			if err := f.e.Confirm(ctx); err != nil {
				return err
			}
		}
		f.agent.say("version %d is in force", v.Number)
	}
	close(f.ready)
	return nil
}

// lineSink writes violations as JSON lines, and hands them on. Safe for concurrent
// use.
type lineSink struct {
	mu   sync.Mutex
	w    io.Writer
	also watch.Sink
}

// Violations implements watch.Sink.
func (l *lineSink) Violations(list []policy.Violation) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	enc := json.NewEncoder(l.w)
	for i := range list {
		if err := enc.Encode(violationLine(&list[i])); err != nil {
			return err
		}
	}
	if l.also == nil {
		return nil
	}
	return l.also.Violations(list)
}

// violationJSON is a violation for scripts.
type violationJSON struct {
	Time       string `json:"time"`
	Outcome    string `json:"outcome"`
	Client     string `json:"client"`
	Server     string `json:"server"`
	Service    string `json:"service"`
	Direction  string `json:"direction"`
	Policy     string `json:"policy"`
	Rule       string `json:"rule,omitempty"`
	Hash       string `json:"hash"`
	Host       string `json:"host,omitempty"`
	Process    string `json:"process,omitempty"`
	Suppressed uint64 `json:"suppressed,omitempty"`
}

func violationLine(v *policy.Violation) violationJSON {
	direction := "outbound"
	if v.Inbound {
		direction = "inbound"
	}
	at, _ := v.Time.MarshalText() // a Time always marshals
	return violationJSON{string(at), v.Outcome.String(), v.Client.Addr.String(), v.Server.Addr.String(), v.Service.String(),
		direction, v.Policy, v.Rule, v.Hash, v.Host, v.Process, v.Suppressed}
}
