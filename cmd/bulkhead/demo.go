package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/internal/task"
)

// docDemo remembers that the store holds the demonstration estate.
const docDemo = "demo"

// demoState is what docDemo holds.
type demoState struct {
	Options scenario.Options `json:"options"`
	Done    bool             `json:"done"`
}

func demoCmd(a *app) *cobra.Command {
	var workloads, days int
	var seed uint64
	var noServe bool
	cmd := &cobra.Command{
		Use: "demo", Short: "Start everything with a demonstration estate: a week of a retail chain", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt := scenario.Options{Seed: seed, Workloads: workloads, Days: days}
			return a.with(cmd.Context(), func(s *session) error { return s.demo(cmd.Context(), opt, noServe) })
		},
	}
	cmd.Flags().IntVar(&workloads, "workloads", scenario.DefaultWorkloads, "size of the estate")
	cmd.Flags().IntVar(&days, "days", scenario.DefaultDays, "days of traffic, ending yesterday")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "same seed, same estate")
	cmd.Flags().BoolVar(&noServe, "no-serve", false, "feed the store and end")
	return cmd
}

// demo serves the dashboard at once and feeds the estate beside it, so that the map
// appears as soon as there is one.
func (s *session) demo(ctx context.Context, opt scenario.Options, noServe bool) error {
	var state demoState
	base, err := s.load(ctx, docDemo, docOnly, &state)
	if err != nil {
		return err
	}
	if base, err = s.claimForDemo(ctx, base, state); err != nil {
		return err
	}
	// The estate's last day is yesterday, so that "the last seven days" means
	// something; a second start finds the first one's.
	opt.Start = time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -opt.Days)
	if noServe {
		return s.feedDemo(ctx, opt, base, state, func(httpapi.Job) {})
	}
	srv, err := newServer(s)
	if err != nil {
		return err
	}
	feed := &demoFeed{s: s, srv: srv, opt: opt, base: base, state: state, ready: make(chan struct{})}
	return task.Run(ctx, srv, feed, newRefresher(srv.backend))
}

// claimForDemo marks an empty store as the demonstration's, and empties one whose
// feeding was interrupted. A store that holds anybody else's traffic is refused.
func (s *session) claimForDemo(ctx context.Context, base uint64, state demoState) (uint64, error) {
	if state.Done {
		return base, nil
	}
	if base > 0 {
		return base, s.store.ForgetTraffic(ctx)
	}
	rows, err := s.store.Rows(ctx)
	if err != nil {
		return 0, err
	}
	if rows > 0 {
		return 0, usagef("%s already holds recorded traffic; give the demonstration a folder of its own with --data-dir", s.app.cfg.DataDir)
	}
	return 1, s.save(ctx, docDemo, docOnly, 0, author(), "demonstration estate begun", demoState{})
}

// demoFeed feeds the estate as a task beside the dashboard.
type demoFeed struct {
	s     *session
	srv   *server
	opt   scenario.Options
	base  uint64
	state demoState
	ready chan struct{}
}

func (f *demoFeed) String() string         { return "demonstration estate" }
func (f *demoFeed) Ready() <-chan struct{} { return f.ready }

// Run feeds the estate, makes the map and ends.
func (f *demoFeed) Run(ctx context.Context) error {
	show := func(j httpapi.Job) {
		f.srv.backend.jobs.set(j)
		_ = f.srv.hub.Publish(httpapi.Event{Kind: httpapi.EventProgress, Data: j}) // a Job always marshals
	}
	if err := f.s.feedDemo(ctx, f.opt, f.base, f.state, show); err != nil {
		return err
	}
	if err := f.srv.backend.refresh(ctx); err != nil {
		return err
	}
	f.s.app.say("the map is ready: %s", f.srv.url())
	close(f.ready)
	return nil
}

// feedDemo writes the estate's packets to a capture and imports it, as a user
// would. What an earlier start has fed is not fed again.
func (s *session) feedDemo(ctx context.Context, opt scenario.Options, base uint64, state demoState, show func(httpapi.Job)) error {
	if state.Done {
		s.app.say("the demonstration estate is already there: %d workloads from %s", state.Options.Workloads, state.Options.Start.Format(time.DateOnly))
		return nil
	}
	estate, err := scenario.Generate(opt)
	if err != nil {
		return usageError{err}
	}
	if err := s.replaceInventory(ctx, estate.Inventory(false), "asset list of the demonstration estate"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.app.cfg.DataDir, "demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "estate.pcap")
	s.app.say("writing a week of a retail chain with %d workloads", estate.Workloads())
	if _, err := writeTo(file, estate.WritePcap); err != nil {
		return err
	}
	if err := s.importDemo(ctx, file, show); err != nil {
		return err
	}
	return s.save(ctx, docDemo, docOnly, base, author(), "demonstration estate fed", demoState{Options: opt, Done: true})
}

func (s *session) importDemo(ctx context.Context, file string, show func(httpapi.Job)) error {
	w, err := s.writer(ctx, true)
	if err != nil {
		return err
	}
	opt, err := collectorOptions(s.app.cfg.Collector)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	job := httpapi.Job{ID: "demo", Name: "import of the demonstration estate", State: "running", Unit: "bytes"}
	bar := newProgress(s.app.err, "importing", -1)
	opt.Sensor = scenario.Sensor
	opt.Progress = func(read, total int64, packets uint64) {
		bar.set(read, total, packets, "packets")
		job.Done, job.Total = uint64(read), uint64(total)
		show(job)
	}
	st, err := collector.Import(ctx, file, opt, w)
	bar.done()
	if err == nil {
		err = w.flush(ctx)
	}
	if err == nil {
		err = s.store.ReportHealth(ctx, healthOf(scenario.Sensor, collectorStages(st), time.Now()))
	}
	err = errors.Join(err, w.Close())
	job.State = "done"
	if err != nil {
		job.State, job.Error = "failed", err.Error()
	} else {
		s.app.say("imported %d packets as %d flow records", st.Frames, st.Records())
	}
	show(job)
	return err
}
