package lab_test

import (
	"bufio"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/lab"
	"github.com/bulkhead/bulkhead/topology"
)

// The program itself, watching an interface and receiving softflowd's exports of
// the same wire, draws the true map and counts each connection once.
func TestSensedMapCountsConnectionsOnce(t *testing.T) {
	testenv.Need(t, "engine", "go")
	l := up(t, lab.Options{WithoutTap: true})
	bulkhead := filepath.Join(program(t), "bulkhead")
	data := filepath.Join(l.Dir(), "data")
	inventory := filepath.Join(l.Dir(), "inventory.yaml")
	b, err := yaml.Marshal(l.Inventory())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inventory, b, 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), bulkhead, append([]string{"--data-dir", data}, args...)...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("bulkhead %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
		}
		return out
	}
	run("inventory", "import", inventory)

	sense := l.Host("router").Command(t.Context(), bulkhead, "--data-dir", data, "sense",
		"--interface", l.Bridge("servers"), "--listen", "udp://"+netflowTarget.String())
	output, err := sense.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	sense.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := sense.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1000) // more than it ever says; what is beyond is not waited for
	go func() {
		for s := bufio.NewScanner(output); s.Scan(); {
			select {
			case lines <- s.Text():
			default:
			}
		}
		close(lines)
	}()
	select {
	case <-lines: // it says what it watches
	case <-time.After(2 * time.Minute):
		t.Fatal("sense says nothing")
	}
	if err := lab.Idle(t.Context(), sense.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := l.Observe(t.Context(), lab.Softflowd(netflowTarget)); err != nil {
		t.Fatal(err)
	}
	if err := l.Traffic(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.StopTap(); err != nil {
		t.Fatal(err)
	}
	if err := lab.Idle(t.Context(), sense.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if err := sense.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for line := range lines {
		t.Log(line)
	}
	if err := sense.Wait(); err != nil {
		t.Logf("sense ended with %v", err)
	}
	if diff := cmp.Diff(connectionsByName(l), mapped(t, run("map", "--json"))); diff != "" {
		t.Errorf("flows per dependency (-true +map):\n%s", diff)
	}
}

// connectionsByName counts the lab's connections by host names.
func connectionsByName(l *lab.Lab) map[string]int {
	names := map[netip.Addr]string{}
	for _, w := range l.Inventory().Workloads {
		for _, a := range w.Addresses {
			names[a.Addr] = w.ID
		}
	}
	out := map[string]int{}
	for _, c := range l.Connections() {
		out[names[c.Client]+" → "+names[c.Server]+" "+c.Service.String()]++
	}
	return out
}

// mapped counts the flows of a printed map.
func mapped(t *testing.T, b []byte) map[string]int {
	t.Helper()
	var m topology.Map
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, d := range m.Graph.Deps {
		if d.Service == neighbours || d.Service == advertisement || !m.Graph.Nodes[d.Server].Inside() {
			continue
		}
		out[m.Graph.Nodes[d.Client].ID+" → "+m.Graph.Nodes[d.Server].ID+" "+d.Service.String()] += int(d.Flows)
	}
	return out
}
