package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/internal/task"
	"github.com/bulkhead/bulkhead/store"
)

// discovering is the verb `discover`.
type discovering struct {
	*app
	share    float64
	active   time.Duration
	counters bool
	programs bool
	window
}

func discoverCmd(a *app) *cobra.Command {
	d := &discovering{app: a}
	cmd := &cobra.Command{
		Use: "discover", Short: "Record this machine's own connections, with their programs, without a tap", Args: cobra.NoArgs,
		Long: `Reads the kernel's connection tracking until stopped: what this machine asks and
serves, and on a router what it forwards, goes into the same store as what sensors
see. Who is the client is certain, and at this machine's end the program is known:
its unit ("nginx.service") or its command. A connection that a sensor sees as well
counts once.

Where no policy is in force, a ruleset that judges nothing makes the kernel track
connections; it is taken away at the end. So is the counting of bytes, unless it was
on before (--counters=false leaves the setting alone).

--programs lists what is recorded: which programs serve and use what.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if d.share <= 0 || d.share > 1 {
				return usagef("--cpu %g: want a share of one core between 0 and 1", d.share)
			}
			if d.active < time.Second {
				return usagef("--active %s: want at least a second", d.active)
			}
			return a.with(cmd.Context(), func(s *session) error {
				if d.programs {
					return s.listPrograms(cmd.Context(), &d.window)
				}
				return s.discover(cmd.Context(), d)
			})
		},
	}
	d.window.flags(cmd)
	cmd.Flags().Float64Var(&d.share, "cpu", 0.1, "share of one core that may be used; beyond it announcements may be lost, counted")
	cmd.Flags().DurationVar(&d.active, "active", time.Minute, "report a connection that lives on this often")
	cmd.Flags().BoolVar(&d.counters, "counters", true, "have the kernel count packets and bytes while this runs")
	cmd.Flags().BoolVar(&d.programs, "programs", false, "list which programs serve and use what, and end")
	return cmd
}

// discover records until ctx ends, then stores what is still open.
func (s *session) discover(ctx context.Context, d *discovering) (err error) {
	end, err := d.track(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	w, err := s.writer(ctx, false)
	if err != nil {
		return err
	}
	t := &discoveryReport{session: s, writer: w, ready: make(chan struct{})}
	t.discovery = newDiscovery(s.app, d.share, d.active, w)
	tasks := []task.Task{t.discovery, t}
	m, err := s.newMetrics(t.stages)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	if m != nil {
		tasks = append(tasks, m)
	}
	tasks = append(tasks, task.NewSystemd(tasks...))
	s.app.say("recording the connections of %s; stop with Ctrl-C", s.app.sensorName())
	err = errors.Join(task.Run(ctx, tasks...), w.Close())
	t.print()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	return errors.Join(err, t.report(last))
}

// newDiscovery is the task that reads connection tracking of this machine.
func newDiscovery(a *app, share float64, active time.Duration, to watch.RecordSink) *watch.Discovery {
	return watch.NewDiscovery(watch.DiscoveryOptions{Sensor: a.sensorName(), CPUShare: share, Active: active,
		Process: watch.NewProcesses(0).Of}, to)
}

// sensorName is what this machine is called in records.
func (a *app) sensorName() string {
	if name := a.cfg.Collector.Sensor; name != "" {
		return name
	}
	name, _ := os.Hostname()
	return name
}

// track makes the kernel track connections, and count them if asked, and returns
// what leaves the machine as it was found.
func (d *discovering) track(ctx context.Context) (end func() error, err error) {
	k, err := nft.Open(0)
	if err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	release, err := enforcer.Track(ctx, k)
	if err != nil {
		return nil, errors.Join(err, k.Close())
	}
	restore := func() error { return nil }
	if d.counters {
		restore = d.countTraffic()
	}
	return func() error {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		return errors.Join(restore(), release(last), k.Close())
	}, nil
}

// discoveryReport says every minute, and at the end, what was seen and kept.
type discoveryReport struct {
	session   *session
	writer    *stampedWriter
	discovery *watch.Discovery
	ready     chan struct{}
}

func (r *discoveryReport) String() string         { return "discovery report" }
func (r *discoveryReport) Ready() <-chan struct{} { return r.ready }

// Run reports until ctx ends.
func (r *discoveryReport) Run(ctx context.Context) error {
	close(r.ready)
	minute := time.NewTicker(reportEvery)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-minute.C:
			r.print()
			if err := r.report(ctx); err != nil {
				r.session.app.log.Warn("counters not stored", "error", err)
			}
		}
	}
}

func (r *discoveryReport) report(ctx context.Context) error {
	return r.session.store.ReportHealth(ctx, healthOf(r.session.app.sensorName(), r.stages(), time.Now()))
}

// stages are the counters, from the kernel's announcements to the store.
func (r *discoveryReport) stages() []httpapi.Stage {
	st, ws := r.discovery.Stats(), r.writer.Stats()
	var drops flow.Drops
	drops.Add(flow.DropMalformed, st.Malformed)
	drops.Add(flow.DropKernel, st.Lost)
	drops.Add(flow.DropTableFull, st.Overflow)
	drops.Add(flow.DropIgnored, st.Loopback)
	return []httpapi.Stage{
		{Name: "conntrack", Unit: "records", Received: st.Records + drops.Total(), Passed: st.Records, Drops: httpapi.DropsOf(&drops)},
		{Name: "writer", Unit: "rows", Received: ws.Received + ws.Recovered, Passed: ws.Received + ws.Recovered - ws.Drops.Total(), Drops: httpapi.DropsOf(&ws.Drops)},
	}
}

func (r *discoveryReport) print() {
	st := r.discovery.Stats()
	for _, stage := range r.stages() {
		r.session.app.say("%-10s %d %s received, %d passed on", stage.Name, stage.Received, stage.Unit, stage.Passed)
	}
	r.session.app.say("%-10s %s used, %s rested to keep the share, %d times the kernel could not tell", "processor",
		st.Used.Round(time.Millisecond), st.Rested.Round(time.Millisecond), st.Lost)
}

// listPrograms prints which programs serve and use what.
func (s *session) listPrograms(ctx context.Context, w *window) error {
	_, newest, err := s.recorded(ctx)
	if err != nil {
		return err
	}
	since, until, err := w.resolve(newest, s.app.cfg.Map.Window)
	if err != nil {
		return err
	}
	list, err := s.store.Programs(ctx, store.Query{Since: since, Until: until})
	if err != nil {
		return err
	}
	index, err := s.inventory(ctx)
	if err != nil {
		return err
	}
	type line struct {
		Workload string       `json:"workload"`
		Side     string       `json:"side"` // serves or uses
		Service  flow.Service `json:"service"`
		Process  string       `json:"process"`
		Flows    uint64       `json:"flows"`
		Last     flow.Time    `json:"last"`
	}
	lines := make([]line, 0, len(list))
	rows := make([][]string, 0, len(list))
	for _, p := range list {
		side := map[bool]string{true: "serves", false: "uses"}[p.Serves]
		l := line{partyName(index.Resolve(p.Party, p.Last), p.Party), side, p.Service, p.Process, p.Flows, p.Last}
		lines = append(lines, l)
		rows = append(rows, []string{l.Workload, l.Side, l.Service.String(), l.Process, fmt.Sprint(l.Flows), day(l.Last)})
	}
	if s.app.json {
		return s.app.printJSON(lines)
	}
	return table(s.app.out, []string{"WORKLOAD", "SIDE", "SERVICE", "PROGRAM", "FLOWS", "LAST SEEN"}, rows)
}
