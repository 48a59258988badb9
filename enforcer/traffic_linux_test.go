package enforcer_test

import (
	"context"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// TestRealProcesses runs two redis servers and a client in namespaces: the rule
// allows one port; the other is only reported in monitor and closed in enforce.
func TestRealProcesses(t *testing.T) {
	testenv.Need(t, "netns", "redis-server", "redis-cli")
	client, server := netlab.New(t), netlab.New(t)
	netlab.Join(t, "eth0", client, []string{"10.7.0.1/24"}, server, []string{"10.7.0.2/24"})
	for _, port := range []string{"6379", "6380"} {
		startIn(t, server, "redis-server", "--port", port, "--bind", "10.7.0.2", "--save", "", "--protected-mode", "no", "--dir", t.TempDir())
	}
	ping := func(port string) bool {
		out, _ := client.Try("", "timeout", "1", "redis-cli", "-h", "10.7.0.2", "-p", port, "ping")
		return strings.TrimSpace(out) == "PONG"
	}
	eventually(t, "both servers answer", func() bool { return ping("6379") && ping("6380") })

	for _, stage := range []policy.Stage{policy.Monitor, policy.Enforce} {
		t.Run(stage.String(), func(t *testing.T) {
			r, err := nft.Compile(cacheSet(stage), cacheHost())
			if err != nil {
				t.Fatal(err)
			}
			k, err := nft.Open(server.FD())
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			got := collect(t, server, &r)
			if _, err := k.Apply(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if !ping("6379") {
				t.Error("allowed port does not answer")
			}
			if answered := ping("6380"); answered != (stage == policy.Monitor) {
				t.Errorf("port no rule allows answered: %v", answered)
			}
			want := policy.WouldBlock
			if stage == policy.Enforce {
				want = policy.Blocked
			}
			eventually(t, "the violation is reported", func() bool { return got.has("10.7.0.1", 6380, want) })
			if p := got.process(6380); p != "redis-server" {
				t.Errorf("the violation names process %q, want redis-server", p)
			}
			if got.has("10.7.0.1", 6379, want) {
				t.Error("allowed traffic was reported")
			}
		})
	}
}

func cacheSet(stage policy.Stage) *policy.Set {
	sel := func(role string) []policy.Peer {
		return []policy.Peer{{Selector: policy.Select(topology.Labels{"role": role})}}
	}
	return &policy.Set{
		AlwaysAllowed: policy.DefaultAlwaysAllowed(),
		Policies: []policy.Policy{{
			Name: "cache", Scope: policy.Select(topology.Labels{"role": "cache"}), Stage: stage,
			Rules: []policy.Rule{{Name: "app-to-cache", From: sel("app"), To: sel("cache"),
				Services: []policy.Service{{Proto: flow.TCP, From: 6379, To: 6379}}}},
		}},
	}
}

func cacheHost() nft.Host {
	return nft.Host{Mode: nft.ModeHost, Self: []string{"cache1"}, Workloads: []nft.Workload{
		{ID: "app1", Labels: topology.Labels{"role": "app"}, Addrs: []netip.Addr{netip.MustParseAddr("10.7.0.1")}},
		{ID: "cache1", Labels: topology.Labels{"role": "cache"}, Addrs: []netip.Addr{netip.MustParseAddr("10.7.0.2")}},
	}}
}

// seen is a sink that keeps what it gets.
type seen struct {
	mu  sync.Mutex
	all []policy.Violation
}

func (s *seen) Violations(v []policy.Violation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, v...)
	return nil
}

func (s *seen) has(client string, port uint16, o policy.Outcome) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.all {
		if v.Client.Addr.String() == client && v.Service.Port == port && v.Outcome == o {
			return true
		}
	}
	return false
}

// process is what the first violation of a port says serves it.
func (s *seen) process(port uint16) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.all {
		if v.Service.Port == port {
			return v.Process
		}
	}
	return ""
}

// collect listens to the ruleset's reports in a namespace until the test ends.
func collect(t *testing.T, in *netlab.Space, r *nft.Ruleset) *seen {
	t.Helper()
	got, book := &seen{}, &watch.Book{}
	book.Set(r)
	n := watch.New(watch.Options{NetNS: in.FD(), Interval: time.Second, Process: watch.NewProcesses(in.FD()).Of}, book, got)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", n, err)
		}
	})
	select {
	case <-n.Ready():
	case err := <-done:
		done <- err
		t.Fatalf("%s: %v", n, err)
	}
	return got
}

// startIn starts a program in a namespace and kills it when the test ends.
func startIn(t *testing.T, s *netlab.Space, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var err error
	s.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 100 {
		if ok() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("never happened: %s", what)
}
