package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/bundle"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/link"
	"github.com/bulkhead/bulkhead/internal/task"
	"github.com/bulkhead/bulkhead/policy"
)

// agentDir holds the identity of this machine and what waits to be reported.
func (a *app) agentDir(parts ...string) string {
	return filepath.Join(append([]string{a.cfg.DataDir, "agent"}, parts...)...)
}

// secret is a token as typed, or the content of the file that @FILE names: command
// lines can be read by every user of a machine.
func secret(text string) (string, error) {
	file, ok := strings.CutPrefix(text, "@")
	if !ok {
		return text, nil
	}
	b, err := os.ReadFile(file)
	return strings.TrimSpace(string(b)), err
}

// violationSinks hands violations to several, in order.
type violationSinks []watch.Sink

// Violations implements watch.Sink.
func (s violationSinks) Violations(list []policy.Violation) error {
	for _, to := range s {
		if err := to.Violations(list); err != nil {
			return err
		}
	}
	return nil
}

// memberRun is an enforcement point with a controller.
type memberRun struct {
	app      *app
	id       *link.Identity
	kernel   *nft.Kernel
	enforcer *enforcer.Enforcer
	keeper   *bundle.Keeper
	queue    *link.Queue
	link     *link.Link
	book     watch.Book
	self     *selfReport
	started  time.Time
}

// runMember runs an agent or gateway until ctx ends.
func (a *app) runMember(ctx context.Context, id *link.Identity) (err error) {
	release, err := alone(a.agentDir())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	k, err := nft.OpenOwner(0)
	if err != nil {
		return fmt.Errorf("%s: %w", verbOf(id.Role()), err)
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	m := &memberRun{app: a, id: id, kernel: k, started: time.Now(), self: &selfReport{controller: id.Controller()}}
	if id.Bridge() {
		m.self.bridge = nft.BridgeSysctls
	}
	if err := m.open(); err != nil {
		return err
	}
	tasks, err := m.tasks()
	if err != nil {
		return err
	}
	if m.discovers() {
		restore := a.countTraffic()
		defer func() { err = errors.Join(err, restore()) }()
	}
	return task.Run(ctx, tasks...)
}

// open prepares everything; nothing runs yet.
func (m *memberRun) open() error {
	opt := m.app.enforcerOptions(m.kernel)
	opt.Author = "agent"
	opt.OnRuleset = func(r *nft.Ruleset) {
		m.book.Set(r)
		m.self.ruleset(r)
	}
	var err error
	if m.enforcer, err = enforcer.Open(opt); err != nil {
		return err
	}
	if m.queue, err = link.OpenQueue(m.app.agentDir("queue"), m.app.cfg.Agent.QueueBytes, m.app.log); err != nil {
		return err
	}
	mode := nft.ModeHost
	if m.id.Role() == fleet.Gateway {
		mode = nft.ModeGateway
	}
	m.keeper, err = bundle.NewKeeper(bundle.KeeperOptions{
		Enforcer: m.enforcer, Host: m.id.Name(), Mode: mode, Keys: m.id.PolicyKeys, File: m.app.agentDir("bundle.json"),
		Local: m.self.local, Reach: func(ctx context.Context) error { return m.link.Reach(ctx) },
		Changed: func() { m.link.Nudge() }, Log: m.app.log,
	})
	if err != nil {
		return err
	}
	m.link, err = link.New(link.Options{Identity: m.id, Host: m, Queue: m.queue, Log: m.app.log})
	return err
}

// tasks lists what runs. The enforcer restores what was confirmed before anything
// else is done.
func (m *memberRun) tasks() ([]task.Task, error) {
	restored := m.enforcer.Ready()
	name := m.id.Name()
	reports := func() task.Task {
		return watch.New(watch.Options{Host: name, Process: watch.NewProcesses(0).Of}, &m.book, violationSinks{m.enforcer, m.queue})
	}
	tasks := []task.Task{
		m.enforcer, m.queue,
		task.After(restored, m.keeper), task.After(restored, m.link),
		task.After(restored, task.Again("violations", m.self.trouble("violations"), reports)),
		task.After(restored, m.self),
	}
	if m.discovers() {
		tasks = append(tasks, task.After(restored, task.Again("connections", m.self.trouble("connections"), func() task.Task {
			return watch.NewDiscovery(watch.DiscoveryOptions{Sensor: name, CPUShare: 0.1, Process: watch.NewProcesses(0).Of}, m.queue)
		})))
	}
	served, err := m.metrics()
	if err != nil {
		return nil, err
	}
	if served != nil {
		tasks = append(tasks, served)
	}
	return append(tasks, task.NewSystemd(m.enforcer)), nil
}

// discovers reports that this machine records its own connections: an agent does, a
// gateway only forwards those of others.
func (m *memberRun) discovers() bool { return m.app.cfg.Agent.Flows && m.id.Role() == fleet.Agent }

// Beat implements link.Host.
func (m *memberRun) Beat() fleet.Heartbeat {
	held, st := m.keeper.Held(), m.enforcer.Status()
	b := fleet.Heartbeat{Version: version, Started: m.started, Addrs: localAddrs(), Serial: held.Serial, Hash: held.Hash,
		Pending: held.Pending, Deadline: held.Deadline, Seen: held.Seen, Released: held.Released, Flapping: st.Flapping}
	if r := held.Refusal; r != nil {
		b.Refusal = &fleet.Refusal{Serial: r.Serial, Time: r.Time, Why: r.Why, RolledBack: r.RolledBack}
	}
	m.self.fill(&b)
	return b
}

// Offer implements link.Host.
func (m *memberRun) Offer(ctx context.Context, data []byte) error { return m.keeper.Offer(ctx, data) }

// Confirm implements link.Host.
func (m *memberRun) Confirm(ctx context.Context, serial uint64) error {
	return m.keeper.Confirm(ctx, serial)
}
