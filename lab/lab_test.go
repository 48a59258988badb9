package lab_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/lab"
)

// programs a lab needs.
var programs = []string{"netns", "ip", "nginx", "redis-server", "redis-cli", "psql", "dnsmasq", "dig", "curl", "ping", "tcpdump", "softflowd", "softflowctl", "setpriv"}

func up(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	testenv.Need(t, programs...)
	o.Log = testLog{t}
	l, err := lab.Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Error(err)
		}
	})
	return l
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

// sink keeps what an import delivers.
type sink struct {
	records []flow.Record
	names   []flow.Name
}

func (s *sink) Records(r []flow.Record) error { s.records = append(s.records, r...); return nil }
func (s *sink) Names(n []flow.Name) error     { s.names = append(s.names, n...); return nil }

// imported returns the established edges and the refused attempts of a capture.
func imported(t *testing.T, path string) (edges, refused []lab.TrueEdge, names []flow.Name) {
	t.Helper()
	var s sink
	if _, err := collector.Import(context.Background(), path, collector.Options{}, &s); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.records {
		if r.Key.Server.IsMulticast() || r.Key.Service() == neighbours || r.Key.Service() == advertisement {
			continue // IPv6 talks to its neighbours
		}
		e := lab.TrueEdge{Client: r.Key.Client, Server: r.Key.Server, Service: r.Key.Service()}
		switch r.Outcome {
		case flow.Established:
			edges = append(edges, e)
		case flow.Refused:
			refused = append(refused, e)
		}
	}
	slices.SortFunc(edges, lab.TrueEdge.Compare)
	slices.SortFunc(refused, lab.TrueEdge.Compare)
	return slices.Compact(edges), slices.Compact(refused), s.names
}

// Neighbour discovery (RFC 4861).
var (
	neighbours    = flow.Service{Proto: flow.ICMPv6, Port: 135 << 8}
	advertisement = flow.Service{Proto: flow.ICMPv6, Port: 136 << 8}
)

func text(edges []lab.TrueEdge) (out []string) {
	for _, e := range edges {
		out = append(out, e.String())
	}
	return out
}

// The same wire, once as packets and once as softflowd's NetFlow, gives the same
// edges, and they are the true ones.
func TestCaptureAndExportGiveTheTrueMap(t *testing.T) {
	l := up(t, lab.Options{})
	if err := l.Traffic(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.StopTap(); err != nil {
		t.Fatal(err)
	}
	want := text(l.Edges())
	edges, refused, names := imported(t, l.CaptureFile())
	if diff := cmp.Diff(want, text(edges)); diff != "" {
		t.Errorf("capture (-true +imported):\n%s", diff)
	}
	if diff := cmp.Diff(text(l.Attempts()), text(refused)); diff != "" {
		t.Errorf("attempts in the capture (-true +imported):\n%s", diff)
	}
	if !slices.ContainsFunc(names, func(n flow.Name) bool { return n.Name == l.Host("web1").FQDN && n.Addr == l.Host("web1").Addr }) {
		t.Errorf("the capture names web1 nowhere: %v", names)
	}
	exported, _, _ := imported(t, l.ExportFile())
	if diff := cmp.Diff(want, text(exported)); diff != "" {
		t.Errorf("export (-true +imported):\n%s", diff)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	testenv.Need(t, programs...)
	mine := fmt.Sprintf("bhlab%d-", os.Getpid())
	before := namespaces(t, mine)
	l, err := lab.Up(t.Context(), lab.Options{WithoutTap: true, Topology: &lab.Topology{Segments: []string{"a"}, Hosts: []lab.HostSpec{{Name: "x", Segment: "a", Services: []lab.Service{lab.Redis()}}}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := l.Dir()
	for range 2 { // twice does no harm
		if err := l.Down(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, namespaces(t, mine)); diff != "" {
		t.Errorf("namespaces (-before +after):\n%s", diff)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there", dir)
	}
}

// namespaces returns those whose name begins with the prefix.
func namespaces(t *testing.T, prefix string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir("/run/netns")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			out = append(out, e.Name())
		}
	}
	return out
}

// What a killed lab left behind goes when the next one comes up.
func TestLeftoversOfTheDeadAreSwept(t *testing.T) {
	testenv.Need(t, programs...)
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	left := fmt.Sprintf("bhlab%d-1-left", dead.Process.Pid)
	if out, err := exec.Command("ip", "netns", "add", left).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sleeper := exec.Command("ip", "netns", "exec", left, "sleep", "600")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	awaitCommand(t, sleeper.Process.Pid, "sleep")
	up(t, lab.Options{WithoutTap: true, Topology: &lab.Topology{Segments: []string{"a"}, Hosts: []lab.HostSpec{{Name: "x", Segment: "a"}}}})
	if len(namespaces(t, left)) > 0 {
		t.Errorf("%s is still there", left)
	}
	if err := sleeper.Wait(); err == nil {
		t.Error("a process in it ended by itself, want killed")
	}
}

// awaitCommand waits until a process runs the named program, which "ip netns exec"
// does only once it has entered the namespace (proc(5), /proc/pid/comm).
func awaitCommand(t *testing.T, pid int, name string) {
	t.Helper()
	for range 600 {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(comm)) == name {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("process %d does not become %s", pid, name)
}
