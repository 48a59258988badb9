package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/internal/task"
)

func senseCmd(a *app) *cobra.Command {
	var listen, interfaces []string
	var serve bool
	cmd := &cobra.Command{
		Use: "sense", Short: "Receive flow exports, or watch interfaces on a SPAN or tap port, until stopped", Args: cobra.NoArgs,
		Long: `Watches until stopped: UDP sockets for NetFlow v5 and v9, IPFIX and sFlow, and
interfaces that see mirrored traffic. Everything received is stored, or counted by
the reason it was not; the totals are printed every minute and at the end.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(listen) > 0 {
				a.cfg.Collector.Listen = listen
			}
			if len(interfaces) > 0 {
				a.cfg.Collector.Interfaces = interfaces
			}
			if len(a.cfg.Collector.Listen)+len(a.cfg.Collector.Interfaces) == 0 {
				return usagef("sense: name sockets with --listen udp://:2055 or interfaces with --interface eth1")
			}
			return a.with(cmd.Context(), func(s *session) error { return s.sense(cmd.Context(), serve) })
		},
	}
	cmd.Flags().StringSliceVar(&listen, "listen", nil, "UDP sockets for flow exports: udp://:2055,udp://:4739")
	cmd.Flags().StringSliceVarP(&interfaces, "interface", "i", nil, "interfaces that see mirrored traffic")
	cmd.Flags().BoolVar(&serve, "serve", false, "serve the dashboard too")
	return cmd
}

// sense runs the configured sensors until ctx ends, then stores what they hold.
func (s *session) sense(ctx context.Context, serve bool) error {
	w, err := s.writer(ctx, false)
	if err != nil {
		return err
	}
	tasks, watch, err := s.sensors(w)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	watch.writer = w
	tasks = append(tasks, watch)
	if serve {
		srv, err := newServer(s)
		if err != nil {
			return errors.Join(err, w.Close())
		}
		srv.backend.stages = watch.stages
		tasks = append(tasks, srv, &refresher{b: srv.backend})
	}
	err = task.Run(ctx, tasks...)
	err = errors.Join(err, w.Close())
	watch.print(os.Stderr)
	return err
}

// sensors opens everything the configuration names.
func (s *session) sensors(w *stampedWriter) ([]task.Task, *senseWatch, error) {
	watch := &senseWatch{app: s.app, ready: make(chan struct{})}
	opt, err := s.app.collectorOptions()
	if err != nil {
		return nil, nil, err
	}
	var tasks []task.Task
	if c := s.app.cfg.Collector; len(c.Listen) > 0 {
		watch.decoder = netflow.NewDecoder(opt.NetFlow, w)
		watch.server, err = netflow.Listen(netflow.ListenOptions{Addresses: c.Listen, Log: s.app.log}, watch.decoder)
		if err != nil {
			return nil, nil, fmt.Errorf("sense: %w", err)
		}
		s.app.say("receiving flow exports on %v", watch.server.Addrs())
		tasks = append(tasks, watch.server)
	}
	return tasks, watch, nil
}

// senseWatch reports what the sensors of this process saw and kept.
type senseWatch struct {
	app     *app
	writer  *stampedWriter
	decoder *netflow.Decoder
	server  *netflow.Server
	ready   chan struct{}
}

const reportEvery = time.Minute

func (w *senseWatch) String() string         { return "sensor report" }
func (w *senseWatch) Ready() <-chan struct{} { return w.ready }

// Run lets halves of flows expire and prints the totals every minute until ctx
// ends.
func (w *senseWatch) Run(ctx context.Context) error {
	close(w.ready)
	second, minute := time.NewTicker(time.Second), time.NewTicker(reportEvery)
	defer second.Stop()
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-second.C:
			if w.decoder != nil {
				if err := w.decoder.Tick(flow.TimeOf(now)); err != nil {
					return err
				}
			}
		case <-minute.C:
			w.print(os.Stderr)
		}
	}
}

// stages gives the counters for the status page.
func (w *senseWatch) stages() []httpapi.Stage {
	var out []httpapi.Stage
	if w.decoder != nil {
		ls, ds := w.server.Stats(), w.decoder.Stats()
		var kernel flow.Drops
		kernel.Add(flow.DropKernel, ls.KernelDrops)
		out = append(out,
			httpapi.Stage{Name: "sockets", Unit: "datagrams", Received: ls.Received + ls.KernelDrops, Passed: ls.Received, Drops: httpapi.DropsOf(&kernel)},
			httpapi.Stage{Name: "datagrams", Unit: "datagrams", Received: ds.Datagrams, Passed: ds.Decoded, Drops: httpapi.DropsOf(&ds.DatagramDrops)},
			httpapi.Stage{Name: "sets", Unit: "sets", Received: ds.Sets, Passed: ds.TemplateSets + ds.DataSets, Drops: httpapi.DropsOf(&ds.SetDrops)},
			httpapi.Stage{Name: "export records", Unit: "records", Received: ds.Rows, Passed: ds.Flows, Drops: httpapi.DropsOf(&ds.RowDrops)},
			httpapi.Stage{Name: "biflows", Unit: "records", Received: ds.Stitch.Rows, Passed: ds.Stitch.Rows - ds.Stitch.Duplicates, Deduplicated: ds.Stitch.Duplicates})
	}
	if w.writer != nil {
		ws := w.writer.Stats()
		out = append(out, httpapi.Stage{Name: "writer", Unit: "rows", Received: ws.Received + ws.Recovered,
			Passed: ws.Received + ws.Recovered - ws.Drops.Total(), Drops: httpapi.DropsOf(&ws.Drops)})
	}
	return out
}

// print writes the counters as lines.
func (w *senseWatch) print(out *os.File) {
	if w.app.quiet {
		return
	}
	for _, st := range w.stages() {
		fmt.Fprintf(out, "%-15s %d %s received, %d passed on", st.Name, st.Received, st.Unit, st.Passed)
		if st.Deduplicated > 0 {
			fmt.Fprintf(out, ", %d seen twice", st.Deduplicated)
		}
		for _, d := range st.Drops {
			fmt.Fprintf(out, ", %d %s", d.Count, d.Reason)
		}
		fmt.Fprintln(out)
	}
}
