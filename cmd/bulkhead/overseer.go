package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/internal/task"
	"github.com/bulkhead/bulkhead/topology"
)

// overseer keeps a policy file in force on this machine and reports, without a
// controller.
type overseer struct {
	*app
	verb, author string // who says and who acts, for errors and the journal
	host         nft.Host
	first        func(context.Context, *enforcer.Enforcer) error // once what was confirmed is restored
	violations   watch.Sink                                      // takes them besides standard output; may be nil
	records      watch.RecordSink                                // takes this machine's own connections; may be nil
}

// run runs the enforcer and the listeners until ctx ends.
func (o *overseer) run(ctx context.Context) (err error) {
	release, err := alone(o.agentDir())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	k, err := nft.Open(0)
	if err != nil {
		return fmt.Errorf("%s: %w", o.verb, err)
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	var book watch.Book
	opt := o.enforcerOptions(k)
	opt.OnRuleset, opt.OnStep, opt.Author = book.Set, o.sayStep, o.author
	e, err := enforcer.Open(opt)
	if err != nil {
		return err
	}
	listener := watch.New(watch.Options{Host: o.host.Name, Process: watch.NewProcesses(0).Of, Workload: workloadKeys(o.host)}, &book,
		violationSinks{e, &lineSink{w: o.out, also: o.violations}})
	first := &firstStep{ready: make(chan struct{}), after: e.Ready(), do: func(ctx context.Context) error { return o.first(ctx, e) }}
	tasks := []task.Task{e, listener, first}
	if o.records != nil {
		restore := o.countTraffic()
		defer func() { err = errors.Join(err, restore()) }()
		tasks = append(tasks, newDiscovery(o.app, 0.1, time.Minute, o.records))
	}
	return task.Run(ctx, append(tasks, task.NewSystemd(first))...)
}

// countTraffic has connection tracking count packets and bytes, where this program
// may say so, and returns what leaves the machine as it was found.
func (a *app) countTraffic() (restore func() error) {
	restore, err := enforcer.CountTraffic()
	if err != nil {
		a.log.Warn("packets and bytes are not counted", "error", err)
		return func() error { return nil }
	}
	return restore
}

// workloadKeys says who holds an address of a host's view.
func workloadKeys(host nft.Host) func(netip.Addr) uint64 {
	owners := map[netip.Addr]uint64{}
	for _, w := range host.Workloads {
		for _, a := range w.Addrs {
			owners[a] = topology.WorkloadKey(w.ID)
		}
	}
	return func(a netip.Addr) uint64 { return owners[a] }
}

// firstStep does one thing once something else is ready.
type firstStep struct {
	after <-chan struct{}
	ready chan struct{}
	do    func(context.Context) error
}

func (f *firstStep) String() string         { return "policy file" }
func (f *firstStep) Ready() <-chan struct{} { return f.ready }

// Run waits, does it, and ends.
func (f *firstStep) Run(ctx context.Context) error {
	select {
	case <-f.after:
	case <-ctx.Done():
		return nil
	}
	if err := f.do(ctx); err != nil {
		return err
	}
	close(f.ready)
	return nil
}
