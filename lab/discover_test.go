package lab_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/lab"
	"github.com/bulkhead/bulkhead/topology"
)

// bench is the built program with a data folder in a lab, and the lab's inventory
// imported.
type bench struct {
	t    *testing.T
	l    *lab.Lab
	exe  string
	data string
}

func newBench(t *testing.T, l *lab.Lab) *bench {
	t.Helper()
	b := &bench{t: t, l: l, exe: filepath.Join(program(t), "bulkhead"), data: filepath.Join(l.Dir(), "data")}
	text, err := yaml.Marshal(l.Inventory())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(l.Dir(), "inventory.yaml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	b.run("inventory", "import", file)
	return b
}

// run runs a command of the program to its end and returns what it printed.
func (b *bench) run(args ...string) []byte {
	b.t.Helper()
	out, err := b.try(args...)
	if err != nil {
		b.t.Fatalf("bulkhead %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func (b *bench) try(args ...string) ([]byte, error) {
	cmd := exec.CommandContext(b.t.Context(), b.exe, append([]string{"--data-dir", b.data}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	b.t.Logf("bulkhead %s\n%s", strings.Join(args, " "), stderr.String())
	return out, err
}

// service is a command of the program that runs on a host until stopped.
type service struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	lines chan string
}

// start starts a command on a host and waits until it has said something and come
// to rest.
func (b *bench) start(host string, args ...string) *service {
	b.t.Helper()
	cmd := b.l.Host(host).Command(b.t.Context(), b.exe, append([]string{"--data-dir", b.data}, args...)...)
	output, err := cmd.StderrPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	s := &service{t: b.t, name: host + ": " + args[0], cmd: cmd, lines: make(chan string, 1000)} // more than it ever says; what is beyond is not waited for
	go func() {
		for in := bufio.NewScanner(output); in.Scan(); {
			select {
			case s.lines <- in.Text():
			default:
			}
		}
		close(s.lines)
	}()
	select {
	case line := <-s.lines:
		b.t.Logf("%s: %s", s.name, line)
	case <-time.After(2 * time.Minute):
		b.t.Fatalf("%s says nothing", s.name)
	}
	return s
}

// stop ends it as Ctrl-C does, once it has worked off what it had to.
func (s *service) stop() {
	s.t.Helper()
	if err := lab.Idle(s.t.Context(), s.cmd.Process.Pid); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	for line := range s.lines {
		s.t.Logf("%s: %s", s.name, line)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Logf("%s ended with %v", s.name, err)
	}
}

// A tap on the wire and the router's connection tracking report the same
// connections. The map counts each once.
func TestTapAndDiscoveryCountConnectionsOnce(t *testing.T) {
	testenv.Need(t, "engine", "go")
	l := up(t, lab.Options{WithoutTap: true})
	b := newBench(t, l)
	config := filepath.Join(l.Dir(), "router.yaml")
	if err := os.WriteFile(config, []byte("collector: {sensor: router-itself}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	services := []*service{
		b.start("router", "sense", "--interface", l.Bridge("servers")),
		b.start("router", "discover", "--active", "1s", "--config", config),
	}
	for _, s := range services {
		if err := lab.Idle(t.Context(), s.cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Traffic(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range services[1:] {
		s.stop()
	}
	services[0].stop() // whose engine it is
	if diff := cmp.Diff(connectionsByName(l), mapped(t, b.run("map", "--json"))); diff != "" {
		t.Errorf("flows per dependency (-true +map):\n%s", diff)
	}
	var m topology.Map
	if err := json.Unmarshal(b.run("map", "--json"), &m); err != nil {
		t.Fatal(err)
	}
	both := false
	for _, d := range m.Graph.Deps {
		both = both || d.Sensors == 2 && d.Service == flow.Service{Proto: flow.TCP, Port: 80}
	}
	if !both {
		t.Error("no dependency was seen by the tap and by the router itself")
	}
}

// A host without a tap draws its own map, and says which program serves and asks.
func TestHostDiscoversItselfWithPrograms(t *testing.T) {
	testenv.Need(t, "engine", "go")
	l := up(t, lab.Options{WithoutTap: true})
	b := newBench(t, l)
	s := b.start("web1", "discover", "--active", "1s")
	if err := l.Traffic(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.stop()
	want := map[string]int{}
	for edge, n := range connectionsByName(l) {
		if strings.Contains(edge, "web1") {
			want[edge] = n
		}
	}
	if diff := cmp.Diff(want, mapped(t, b.run("map", "--json"))); diff != "" {
		t.Errorf("flows per dependency (-true +map):\n%s", diff)
	}
	var programs []struct{ Workload, Side, Service, Process string }
	if err := json.Unmarshal(b.run("discover", "--programs", "--json"), &programs); err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		if p.Side == "serves" && p.Service == "tcp/80" && p.Process == "nginx" {
			return
		}
	}
	t.Errorf("nobody says that nginx serves tcp/80: %+v", programs)
}
