package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/bpf"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/capture/filter"
	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/internal/task"
	"github.com/bulkhead/bulkhead/store"
)

func senseCmd(a *app) *cobra.Command {
	var listen, interfaces []string
	var serve bool
	var live liveFlags
	cmd := &cobra.Command{
		Use: "sense", Short: "Receive flow exports, or watch interfaces on a SPAN or tap port, until stopped", Args: cobra.NoArgs,
		Long: `Watches until stopped: UDP sockets for NetFlow v5 and v9, IPFIX and sFlow, and
interfaces that see mirrored traffic. Everything received is stored, or counted by
the reason it was not; the totals are printed every minute and at the end.

SIGHUP reads the configuration file again (systemctl reload). Exporters, sampling,
networks to ignore, ports, directions, timeouts and address spaces change between
two packets, and nothing received is lost; what needs a restart is named; a file
that is wrong is refused and the old configuration stays.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			live.override = func(c *config.Config) {
				if len(listen) > 0 {
					c.Collector.Listen = listen
				}
				if len(interfaces) > 0 {
					c.Collector.Interfaces = interfaces
				}
			}
			live.override(&a.cfg)
			if len(a.cfg.Collector.Listen)+len(a.cfg.Collector.Interfaces) == 0 {
				return usagef("sense: name sockets with --listen udp://:2055 or interfaces with --interface eth1")
			}
			a.mayBeBlind = !serve // a dashboard has to read
			return a.with(cmd.Context(), func(s *session) error { return s.sense(cmd.Context(), live, serve) })
		},
	}
	cmd.Flags().StringSliceVar(&listen, "listen", nil, "UDP sockets for flow exports: udp://:2055,udp://:4739")
	cmd.Flags().StringSliceVarP(&interfaces, "interface", "i", nil, "interfaces that see mirrored traffic")
	cmd.Flags().StringVar(&live.filter, "bpf", "", "take only these packets, in tcpdump's language (see docs/operating.md), or a file made by tcpdump -ddd")
	cmd.Flags().IntVar(&live.fanout, "fanout", 1, "rings an interface's flows are spread over, a core each")
	cmd.Flags().IntVar(&live.snapLength, "snaplen", 512, "bytes taken of each packet, but for TLS and QUIC hellos; 0 for all")
	cmd.Flags().BoolVar(&serve, "serve", false, "serve the dashboard too")
	return cmd
}

// sense runs the configured sensors until ctx ends, then stores what they hold.
func (s *session) sense(ctx context.Context, live liveFlags, serve bool) error {
	w, err := s.writer(ctx, false)
	if err != nil {
		return err
	}
	reload := newReloader(s.app, live.override)
	tasks, watch, err := s.sensors(w, live)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	watch.writer, reload.apply = w, watch.reconfigure
	tasks = append(tasks, watch, reload)
	if err := watch.admit(ctx); err != nil {
		return errors.Join(err, w.Close())
	}
	if serve {
		srv, err := newServer(s)
		if err != nil {
			return errors.Join(err, w.Close())
		}
		srv.backend.stages = watch.stages
		tasks = append(tasks, srv, newRefresher(srv.backend))
	}
	if err := s.watchOver(&tasks, watch); err != nil {
		return errors.Join(err, w.Close())
	}
	err = task.Run(ctx, tasks...)
	err = errors.Join(err, w.Close())
	watch.print(os.Stderr)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	return errors.Join(err, watch.report(last))
}

// watchOver adds what a service has besides its work: metrics, notification of the
// service manager, and fewer privileges.
func (s *session) watchOver(tasks *[]task.Task, watch *senseWatch) error {
	m, err := s.newMetrics(watch.stages)
	if err != nil {
		return err
	}
	if m != nil {
		*tasks = append(*tasks, m)
	}
	*tasks = append(*tasks, task.NewSystemd(*tasks...))
	if user := s.app.cfg.Collector.User; user != "" {
		return capture.DropPrivileges(user)
	}
	return nil
}

// maxSkew is how wrong an exporter's clock may be before its times are put right by
// when its datagrams arrive.
const maxSkew = 10 * time.Minute

// sensors opens everything the configuration names.
func (s *session) sensors(w *stampedWriter, live liveFlags) ([]task.Task, *senseWatch, error) {
	watch := &senseWatch{app: s.app, session: s, ready: make(chan struct{})}
	opt, err := collectorOptions(s.app.cfg.Collector)
	if err != nil {
		return nil, nil, err
	}
	var tasks []task.Task
	var to collector.Sink = w
	if c := s.app.cfg.Collector; len(c.Listen) > 0 && len(c.Interfaces) > 0 {
		watch.once = collector.NewOnce(w) // a tap and an exporter may see the same flow
		to = watch.once
	}
	if c := s.app.cfg.Collector; len(c.Listen) > 0 {
		watch.decoder = netflow.NewDecoder(socketOptions(opt), to)
		watch.server, err = netflow.Listen(netflow.ListenOptions{Addresses: c.Listen, Log: s.app.log,
			State: filepath.Join(s.app.cfg.DataDir, "exporters.json")}, watch.decoder)
		if err != nil {
			return nil, nil, fmt.Errorf("sense: %w", err)
		}
		s.app.say("receiving flow exports on %v", watch.server.Addrs())
		tasks = append(tasks, watch.server)
	}
	if c := s.app.cfg.Collector; len(c.Interfaces) > 0 {
		if watch.live, err = openLive(c.Interfaces, live, opt, to); err != nil {
			return nil, nil, fmt.Errorf("sense: %w", err)
		}
		s.app.say("watching %s", strings.Join(c.Interfaces, ", "))
		tasks = append(tasks, watch.live)
	}
	return tasks, watch, nil
}

// liveFlags are how interfaces are watched.
type liveFlags struct {
	filter     string
	fanout     int
	snapLength int
	override   func(*config.Config) // what the command line says instead of the file
}

func openLive(interfaces []string, f liveFlags, opt collector.Options, to collector.Sink) (*collector.Live, error) {
	program, err := compileFilter(f.filter)
	if err != nil {
		return nil, usagef("--bpf: %w", err)
	}
	return collector.OpenLive(collector.LiveOptions{
		Interfaces: interfaces, Filter: program, Fanout: f.fanout,
		Ring: capture.RingOptions{SnapLength: f.snapLength}, Options: opt,
	}, to)
}

// compileFilter takes an expression, or the name of a file that tcpdump -ddd wrote.
func compileFilter(text string) ([]bpf.RawInstruction, error) {
	if program, err := os.ReadFile(text); text != "" && err == nil {
		return filter.Load(string(program))
	}
	return filter.Compile(text)
}

// senseWatch reports what the sensors of this process saw and kept.
type senseWatch struct {
	app     *app
	writer  *stampedWriter
	decoder *netflow.Decoder
	server  *netflow.Server
	live    *collector.Live
	once    *collector.Once
	session *session
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
			w.catchUp(ctx)
		}
	}
}

// reconfigure puts c in force in all sensors, and what was decided in the store
// meanwhile. All of c is checked before any of it is.
func (w *senseWatch) reconfigure(ctx context.Context, c config.Config) error {
	opt, err := collectorOptions(c.Collector)
	if err != nil {
		return err
	}
	if w.decoder != nil {
		w.decoder.Reconfigure(socketOptions(opt))
	}
	if w.live != nil {
		if err := w.live.Reconfigure(opt); err != nil {
			return err
		}
	}
	w.catchUp(ctx)
	return nil
}

// catchUp reports the counters and takes what the store has decided meanwhile. A
// store that is away is logged; the sensor goes on with what it has.
func (w *senseWatch) catchUp(ctx context.Context) {
	if err := errors.Join(w.report(ctx), w.admit(ctx), w.restamp(ctx)); err != nil {
		w.app.log.Warn("counters not stored, or exporters or inventory not read", "error", err)
	}
}

// report puts the counters into the store, where `bulkhead status` and other
// machines see them.
func (w *senseWatch) report(ctx context.Context) error {
	name := w.app.cfg.Collector.Sensor
	if name == "" {
		name, _ = os.Hostname()
	}
	return w.session.store.ReportHealth(ctx, append(healthOf(name, w.stages(), time.Now()), w.exporters()...))
}

// stages gives the counters for the status page.
func (w *senseWatch) stages() []httpapi.Stage {
	var out []httpapi.Stage
	if w.decoder != nil {
		ls, ds := w.server.Stats(), w.decoder.Stats()
		var kernel flow.Drops
		kernel.Add(flow.DropKernel, ls.KernelDrops)
		out = append(out, httpapi.Stage{Name: "sockets", Unit: "datagrams", Received: ls.Received + ls.KernelDrops,
			Passed: ls.Received, Drops: httpapi.DropsOf(&kernel)})
		out = append(out, exportStages(ds)...)
	}
	if w.live != nil {
		out = append(out, liveStages(w.live.Stats())...)
	}
	if w.once != nil {
		out = append(out, httpapi.Stage{Name: "seen by several", Unit: "records", Deduplicated: w.once.Duplicates(), Received: w.once.Duplicates(), Drops: []httpapi.Drop{}})
	}
	if w.writer != nil {
		out = append(out, writerStage(w.writer.Stats()))
	}
	return out
}

// writerStage are the counters of rows becoming stored.
func writerStage(ws store.Stats) httpapi.Stage {
	return httpapi.Stage{Name: "writer", Unit: "rows", Received: ws.Received + ws.Recovered, Deduplicated: ws.Known,
		Passed: ws.Stored + ws.Pending + ws.Spooled, Waiting: ws.Pending + ws.Spooled, Drops: httpapi.DropsOf(&ws.Drops)}
}

// liveStages are the counters of watched interfaces.
func liveStages(st collector.Stats) []httpapi.Stage {
	var kernel flow.Drops
	kernel.Add(flow.DropKernel, st.Kernel.Dropped)
	interfaces := httpapi.Stage{Name: "interfaces", Unit: "packets", Received: st.Frames + st.Kernel.Dropped, Passed: st.Frames, Drops: httpapi.DropsOf(&kernel)}
	return append([]httpapi.Stage{interfaces}, collectorStages(st)...)
}

// collectorStages are the counters of packets becoming flows, in a capture file or
// on an interface.
func collectorStages(st collector.Stats) []httpapi.Stage {
	twice, drops := st.Assemble.Drops[flow.DropDuplicate], st.Assemble.Drops
	drops[flow.DropDuplicate] = 0
	out := []httpapi.Stage{
		{Name: "walk", Unit: "packets", Received: st.Frames, Passed: st.Walked + st.Exports, Drops: httpapi.DropsOf(&st.Walk)},
		{Name: "flows", Unit: "packets", Received: st.Assemble.Packets - st.Assemble.Waiting, Passed: st.Assemble.Counted + st.Assemble.Fragments,
			Deduplicated: twice, Drops: httpapi.DropsOf(&drops)},
	}
	if unread := st.Names.Drops(); st.Names.Looked > 0 {
		out = append(out, httpapi.Stage{Name: "names", Unit: "packets", Received: st.Names.Looked,
			Passed: st.Names.Looked - unread.Total(), Drops: httpapi.DropsOf(&unread)})
	}
	if st.Exports > 0 {
		out = append(out, exportStages(st.NetFlow)...)
	}
	return out
}

// exportStages are the counters of export datagrams becoming flows.
func exportStages(ds netflow.Stats) []httpapi.Stage {
	return []httpapi.Stage{
		{Name: "datagrams", Unit: "datagrams", Received: ds.Datagrams, Passed: ds.Decoded, Drops: httpapi.DropsOf(&ds.DatagramDrops)},
		{Name: "sets", Unit: "sets", Received: ds.Sets, Passed: ds.TemplateSets + ds.DataSets, Drops: httpapi.DropsOf(&ds.SetDrops)},
		{Name: "export records", Unit: "records", Received: ds.Rows, Passed: ds.Flows, Drops: httpapi.DropsOf(&ds.RowDrops)},
		{Name: "biflows", Unit: "records", Received: ds.Stitch.Rows, Passed: ds.Stitch.Rows - ds.Stitch.Duplicates,
			Waiting: ds.Stitch.Rows - ds.Stitch.Duplicates - ds.Stitch.Reported, Deduplicated: ds.Stitch.Duplicates},
	}
}

// print writes the counters as lines.
func (w *senseWatch) print(out *os.File) {
	if w.app.quiet {
		return
	}
	for _, st := range w.stages() {
		fmt.Fprintf(out, "%-15s %d %s received, %d passed on", st.Name, st.Received, st.Unit, st.Passed)
		if st.Waiting > 0 {
			fmt.Fprintf(out, " (%d of them waiting)", st.Waiting)
		}
		if st.Deduplicated > 0 {
			fmt.Fprintf(out, ", %d seen twice", st.Deduplicated)
		}
		for _, d := range st.Drops {
			fmt.Fprintf(out, ", %d %s", d.Count, d.Reason)
		}
		fmt.Fprintln(out)
	}
}
