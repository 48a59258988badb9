package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector/netflow/netflowtest"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/task"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store"
)

// lines is a stream that several goroutines use.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await waits until pattern is there n times, and returns the last match's
// groups.
func (l *lines) await(t *testing.T, pattern string, n int) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if all := re.FindAllStringSubmatch(l.String(), -1); len(all) >= n {
			return all[len(all)-1]
		}
	}
	t.Fatalf("no %q, %d times, in\n%s", pattern, n, l)
	return nil
}

// sensor is `bulkhead sense` running in this process, with a socket for exports.
type sensor struct {
	t    *testing.T
	err  lines
	conn *net.UDPConn
	stop func()
}

func startSensor(t *testing.T, args ...string) *sensor {
	t.Helper()
	s := &sensor{t: t}
	root := newRoot(strings.NewReader(""), &lines{}, &s.err)
	root.SetArgs(append(args, "sense", "--listen", "udp://127.0.0.1:0"))
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1) // one result
	go func() { done <- root.ExecuteContext(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel(task.ErrSignal)
		if err := <-done; err != nil && !errors.Is(err, task.ErrSignal) {
			t.Errorf("sense: %v\n%s", err, &s.err)
		}
	})
	t.Cleanup(s.stop)
	port := s.err.await(t, `receiving flow exports on \[127\.0\.0\.1:(\d+)\]`, 1)[1]
	conn, err := net.Dial("udp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s.conn = conn.(*net.UDPConn)
	return s
}

// send exports records, both halves of each, a datagram at a time; each is called
// between two datagrams.
func (s *sensor) send(rs []flow.Record, each func(n int)) (rows, datagrams uint64) {
	s.t.Helper()
	var halves []netflowtest.Half
	for i := range rs {
		halves = append(halves, netflowtest.Halves(&rs[i])...)
	}
	now := flow.TimeOf(time.Now())
	e := netflowtest.Encoder{Format: netflowtest.IPFIX, Boot: now.Add(-time.Hour)}
	for i, b := range e.Datagrams(halves, now) {
		if _, err := s.conn.Write(b); err != nil {
			s.t.Fatal(err)
		}
		datagrams++
		if each != nil {
			each(i)
		}
	}
	return uint64(len(halves)), datagrams
}

// status is `bulkhead status --json`.
func statusOf(t *testing.T, dir string) (r statusReport) {
	t.Helper()
	out, _ := bulkhead(t, "--data-dir", dir, "--json", "status")
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}

func (r statusReport) stage(t *testing.T, kind string) map[string]uint64 {
	t.Helper()
	for _, s := range r.Sensors {
		if s.Kind == kind {
			return s.Counters
		}
	}
	t.Fatalf("no stage %q in %+v", kind, r.Sensors)
	return nil
}

// Flows that come in during twenty reloads of the configuration are all stored,
// once, and the counters of every stage say so: received = passed on + seen twice +
// dropped, and what one stage passes on the next receives.
func TestNothingIsLostDuringReloads(t *testing.T) {
	testenv.Need(t, "engine")
	const flows, reloads = 20_000, 20
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("collector: {exporters: [127.0.0.1]}\n")
	s := startSensor(t, "--config", file, "--data-dir", dir)
	rs := netflowtest.Records(flows, 1, flow.TimeOf(time.Now().Add(-time.Minute)))
	done := 0
	step := (2*flows/20 + reloads) / (reloads + 1)
	rows, datagrams := s.send(rs, func(n int) {
		time.Sleep(20 * time.Microsecond) // a pace the receive buffer keeps up with
		if n%step != step-1 || done == reloads {
			return
		}
		done++
		switch {
		case done%5 == 0: // a mistake: refused, and nothing changes
			write("collector: {exporters: [127.0.0.1/33]}\n")
		default:
			write(fmt.Sprintf("collector: {exporters: [{prefix: 127.0.0.1, name: edge-%d}], ignore: [203.0.113.%d], idleTimeout: %ds, serverPorts: [tcp/%d]}\n", done, done, 30+done, 10000+done))
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s.err.await(t, `(?m)^reload`, done)
	})
	s.err.await(t, `reloaded: in force now: collector.idleTimeout, collector.exporters, collector.ignore, collector.serverPorts`, reloads-reloads/5)
	s.err.await(t, `reload refused, the configuration stays as it was: .*config.yaml.*10?.*/33`, reloads/5)
	s.stop()

	st := statusOf(t, dir)
	for _, r := range st.Sensors {
		if r.Missing != 0 {
			t.Errorf("%s %s: %d missing: %v %v", r.Sensor, r.Kind, r.Missing, r.Counters, r.Drops)
		}
	}
	sockets, records, biflows, writer := st.stage(t, "sockets"), st.stage(t, "export records"), st.stage(t, "biflows"), st.stage(t, "writer")
	if kernel := sockets["received"] - sockets["passed"]; sockets["received"] != datagrams || kernel != 0 {
		t.Errorf("%d datagrams sent, %d received, %d dropped by the kernel", datagrams, sockets["received"], kernel)
	}
	if records["received"] != rows || records["passed"] != biflows["received"] || biflows["waiting"] != 0 {
		t.Errorf("%d rows sent: %v, %v", rows, records, biflows)
	}
	if writer["passed"] != st.Records || writer["waiting"] != 0 || biflows["deduplicated"] != 0 || st.Records != flows {
		t.Errorf("%d flows sent, %d in the store; writer %v, biflows %v", flows, st.Records, writer, biflows)
	}
	var sent, stored uint64
	for i := range rs {
		sent += rs[i].ClientBytes + rs[i].ServerBytes
	}
	inStore(t, dir, func(s *session) error {
		got, err := s.store.Flows(t.Context(), store.FlowQuery{Limit: 2 * flows})
		for i := range got {
			stored += got[i].ClientBytes + got[i].ServerBytes
		}
		return err
	})
	if sent != stored {
		t.Errorf("%d bytes sent, %d in the store", sent, stored)
	}
}

// What needs a restart is named at every reload until it is restarted; an exporter
// that is not admitted is counted and listed, and one command admits it.
func TestReloadAndAdmission(t *testing.T) {
	testenv.Need(t, "engine")
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte("collector: {exporters: [192.0.2.1], maxFlows: 5000}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startSensor(t, "--config", file, "--data-dir", dir)
	hup := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	hup("collector: {exporters: [192.0.2.1], maxFlows: 6000}\n")
	s.err.await(t, `nothing new that can change while running; needs a restart: collector.maxFlows`, 1)
	hup("collector: {exporters: [192.0.2.1], maxFlows: 6000, sampling: 2}\n")
	s.err.await(t, `in force now: collector.sampling; needs a restart: collector.maxFlows`, 1)

	rs := netflowtest.Records(50, 1, flow.TimeOf(time.Now().Add(-time.Minute)))
	_, refused := s.send(rs, nil)
	for n := uint64(0); n < refused; n = statusOf(t, dir).stage(t, "datagrams")["received"] {
		hup("collector: {exporters: [192.0.2.1], maxFlows: 6000, sampling: 2}\n") // counters are reported, too
	}
	out, _ := bulkhead(t, "--data-dir", dir, "exporters", "list")
	if !strings.Contains(out, "127.0.0.1") || !strings.Contains(out, "unknown exporter") {
		t.Errorf("the refused exporter is not listed:\n%s", out)
	}
	bulkhead(t, "--data-dir", dir, "exporters", "admit", "127.0.0.1")
	hup("collector: {exporters: [192.0.2.1], maxFlows: 6000, sampling: 3}\n") // does not wait for the minute
	s.err.await(t, `in force now: collector.sampling; needs a restart: collector.maxFlows`, 2)
	s.send(rs, nil)
	s.stop()
	st := statusOf(t, dir)
	if st.Records != 50 {
		t.Errorf("%d records after admission, want 50: %+v", st.Records, st.Sensors)
	}
	if n := st.stage(t, "datagrams"); n["received"] != 2*refused || n["passed"] != refused {
		t.Errorf("%d datagrams refused and as many taken: %v", refused, n)
	}
}
