package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/task"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/lab"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/store/engine"
)

// senseEnv makes the test program a sensor instead: the interface to watch, or
// "-" to receive flow exports.
const senseEnv = "BULKHEAD_LAB_SENSE"

func TestMain(m *testing.M) {
	if engine.IsChild() {
		engine.ChildMain()
	}
	device := os.Getenv(senseEnv)
	if device == "" {
		code := m.Run()
		if dir := usedProgram.Load(); dir != nil {
			os.RemoveAll(*dir)
		}
		os.Exit(code)
	}
	if err := sense(device, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sense:", err)
		os.Exit(1)
	}
}

// usedProgram is the folder of the built program, once a test needed it.
var usedProgram atomic.Pointer[string]

// sense is a sensor in the namespace this process runs in: it writes "ready",
// then its records as JSON lines, until SIGTERM.
func sense(device string, w io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	out := &jsonSink{json.NewEncoder(w)}
	var sensor task.Task
	if device == "-" {
		s, err := netflow.Listen(netflow.ListenOptions{Addresses: []string{netflowTarget.String(), sflowTarget.String()}, Workers: 1}, netflow.NewDecoder(netflow.Options{}, out))
		if err != nil {
			return err
		}
		sensor = s
	} else {
		s, err := collector.OpenLive(collector.LiveOptions{Interfaces: []string{device}, Options: collector.Options{WithoutExports: true}}, out)
		if err != nil {
			return err
		}
		sensor = s
	}
	go func() {
		<-sensor.Ready()
		fmt.Fprintln(os.Stderr, "ready")
	}()
	return sensor.Run(ctx)
}

type jsonSink struct{ out *json.Encoder }

func (s *jsonSink) Records(r []flow.Record) error {
	for i := range r {
		if err := s.out.Encode(&r[i]); err != nil {
			return err
		}
	}
	return nil
}

func (*jsonSink) Names([]flow.Name) error { return nil }

var (
	netflowTarget = netip.MustParseAddrPort("127.0.0.1:2055")
	sflowTarget   = netip.MustParseAddrPort("127.0.0.1:6343")
)

// startSensor runs this test program as a sensor in the lab's router; the function
// returned ends it and gives its records.
func startSensor(t *testing.T, l *lab.Lab, device string) func() []flow.Record {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := l.Host("router").Command(t.Context(), exe)
	cmd.Env = append(os.Environ(), senseEnv+"="+device)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err1 := cmd.StdoutPipe()
	stderr, err2 := cmd.StderrPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	var line [6]byte
	if _, err := io.ReadFull(stderr, line[:]); err != nil || string(line[:]) != "ready\n" {
		rest, _ := io.ReadAll(stderr)
		t.Fatalf("sensor on %s: %v: %s%s", device, err, line[:], rest)
	}
	var records []flow.Record
	done := make(chan error, 1)
	go func() {
		dec := json.NewDecoder(stdout)
		for {
			var r flow.Record
			if err := dec.Decode(&r); err != nil {
				done <- err
				return
			}
			records = append(records, r)
		}
	}()
	return func() []flow.Record {
		t.Helper()
		if err := lab.Idle(t.Context(), cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != io.EOF {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(stderr)
		if err := cmd.Wait(); err != nil {
			t.Fatalf("sensor on %s: %v: %s", device, err, rest)
		}
		return records
	}
}

// A live tap, softflowd and both of pmacct's probes watch one wire at once. Each
// connection is one flow to the tap and one flow to the receiver of the exports,
// whoever exported it.
func TestEveryConnectionCountsOnce(t *testing.T) {
	testenv.Need(t, "pmacctd")
	l := up(t, lab.Options{WithoutTap: true})
	tap := startSensor(t, l, l.Bridge("servers"))
	exports := startSensor(t, l, "-")
	for _, o := range []lab.Observer{
		lab.Softflowd(netflowTarget),
		lab.NFProbe(netip.MustParseAddr("127.0.0.2"), netflowTarget),
		lab.SFProbe(netip.MustParseAddr("127.0.0.3"), sflowTarget),
	} {
		if err := l.Observe(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Traffic(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.StopTap(); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for _, e := range l.Connections() {
		want[e.String()]++
	}
	seen := tap()
	if diff := cmp.Diff(want, connections(seen)); diff != "" {
		t.Errorf("live tap (-true +seen):\n%s", diff)
	}
	got := exports()
	if diff := cmp.Diff(want, stored(t, seen, got)); diff != "" {
		t.Errorf("the map of both sensors (-true +seen):\n%s", diff)
	}
	if diff := cmp.Diff(want, connections(got)); diff != "" {
		t.Errorf("exports (-true +seen):\n%s", diff)
	}
	var exporters []string
	for _, r := range got {
		exporters = append(exporters, r.Sensor)
	}
	slices.Sort(exporters)
	if exporters = slices.Compact(exporters); len(exporters) != 3 {
		t.Errorf("records come from %v, want all three exporters", exporters)
	}
}

// stored gives each sensor's records to one store, as sensors in processes of their
// own do, and counts the connections on its map.
func stored(t *testing.T, sensors ...[]flow.Record) map[string]int {
	t.Helper()
	testenv.Need(t, "engine")
	eng, stop, err := engine.Start(t.Context(), engine.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	s, err := store.Open(t.Context(), store.Options{DSN: eng.DSN()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, rs := range sensors {
		w, err := s.NewWriter(t.Context(), store.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Records(rs), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	edges, err := s.Edges(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, e := range edges {
		if e.Server.Addr.IsMulticast() || e.Service == neighbours || e.Service == advertisement {
			continue
		}
		if e.Sensors < 2 {
			t.Errorf("%s to %s was seen by %d sensor", e.Client.Addr, e.Server.Addr, e.Sensors)
		}
		out[lab.TrueEdge{Client: e.Client.Addr, Server: e.Server.Addr, Service: e.Service}.String()] += int(e.Flows)
	}
	return out
}

// connections counts established flows per client, server and service.
func connections(records []flow.Record) map[string]int {
	out := map[string]int{}
	for _, r := range records {
		if r.Outcome != flow.Established || r.Split != 0 || r.Key.Server.IsMulticast() || r.Key.Service() == neighbours || r.Key.Service() == advertisement {
			continue
		}
		out[lab.TrueEdge{Client: r.Key.Client, Server: r.Key.Server, Service: r.Key.Service()}.String()]++
	}
	return out
}
