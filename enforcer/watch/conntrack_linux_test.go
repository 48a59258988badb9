package watch_test

import (
	"context"
	"io"
	"net"
	"os"
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
)

type records struct {
	mu  sync.Mutex
	all []flow.Record
}

func (r *records) Records(list []flow.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, list...)
	return nil
}

// find returns the records of one server port, in order.
func (r *records) find(port uint16) (out []flow.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.all {
		if x.Key.ServerPort == port {
			out = append(out, x)
		}
	}
	return out
}

// TestDiscovery: on a host without any policy, real connections become records
// with certain direction, outcome and counters.
func TestDiscovery(t *testing.T) {
	testenv.Need(t, "netns")
	client, server := netlab.New(t), netlab.New(t)
	netlab.Join(t, "eth0", client, []string{"10.9.0.1/24"}, server, []string{"10.9.0.2/24"})
	server.Sysctl(t, "netfilter/nf_conntrack_acct", "1")
	server.Sysctl(t, "netfilter/nf_conntrack_timestamp", "1")
	server.Sysctl(t, "netfilter/nf_conntrack_tcp_timeout_time_wait", "1")
	server.Sysctl(t, "netfilter/nf_conntrack_tcp_timeout_close", "1")
	server.Sysctl(t, "netfilter/nf_conntrack_udp_timeout", "1")
	long := listen(t, server, "10.9.0.2:9000")
	old := open(t, client, "10.9.0.2:9000") // before anything is tracked
	oldServer := <-long
	observeNothing(t, server)
	got := discover(t, server)

	for range 3 { // the server speaks first: tracking sees a connection to the client
		oldServer.Write([]byte("late"))
		time.Sleep(10 * time.Millisecond)
	}
	io.ReadFull(old, make([]byte, 12))
	old.Write([]byte("x"))
	web := listen(t, server, "10.9.0.2:80")
	c := open(t, client, "10.9.0.2:80")
	s := <-web
	c.Write(make([]byte, 1000))
	io.ReadFull(s, make([]byte, 1000))
	s.Write(make([]byte, 3000))
	io.ReadFull(c, make([]byte, 3000))
	c.Close()
	s.Close()
	client.Do(func() { net.DialTimeout("tcp", "10.9.0.2:81", time.Second) }) // nobody listens
	client.Do(func() {
		if u, err := net.Dial("udp", "10.9.0.2:514"); err == nil {
			u.Write([]byte("hello"))
			u.Close()
		}
	})

	r := await(t, got, 80)
	if r.Outcome != flow.Established || r.Evidence != flow.EvidenceConntrack || r.Key.Client.String() != "10.9.0.1" || r.Source != flow.SourceConntrack {
		t.Errorf("web: %+v", r)
	}
	if me := ownName(t); r.ServerProcess != me || r.ClientProcess != "" {
		t.Errorf("web: served by %q, asked by %q; want %q and nobody known here", r.ServerProcess, r.ClientProcess, me)
	}
	if r.ClientBytes < 1000+5*40 || r.ClientBytes > 3000 || r.ServerBytes < 3000+3*40 || r.ServerPackets == 0 || r.First == 0 || r.Last < r.First {
		t.Errorf("web counters: %+v", r)
	}
	if r := await(t, got, 81); r.Outcome != flow.Refused {
		t.Errorf("closed port: %+v", r)
	}
	if r := await(t, got, 514); r.Outcome != flow.Unanswered || r.Key.Proto != flow.UDP {
		t.Errorf("syslog: %+v", r)
	}
	if r := await(t, got, 9000); r.Key.Client.String() != "10.9.0.1" || r.Evidence != flow.EvidenceKnownPort || r.End != flow.EndActive {
		t.Errorf("old connection, picked up from the server's side: %+v", r)
	}
	splits := 0
	for range 200 {
		old.Write([]byte("x")) // what says nothing is not reported again
		if list := got.find(9000); len(list) >= 2 {
			first := list[0].ID
			splits = len(list)
			for i, x := range list {
				if x.ID != first || x.Split != uint32(i) {
					t.Errorf("split %d: id %d split %d, want id %d", i, x.ID, x.Split, first)
				}
			}
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if splits < 2 {
		t.Error("a long connection was not reported again")
	}
}

// observeNothing puts a ruleset without policies in force, which turns tracking
// on and judges nothing.
func observeNothing(t testing.TB, s *netlab.Space) {
	t.Helper()
	r, err := nft.Compile(&policy.Set{}, nft.Host{Mode: nft.ModeHost})
	if err != nil {
		t.Fatal(err)
	}
	k, err := nft.Open(s.FD())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if _, err := k.Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func discover(t *testing.T, s *netlab.Space) *records {
	t.Helper()
	got := &records{}
	d := watch.NewDiscovery(watch.DiscoveryOptions{NetNS: s.FD(), Sensor: "host", Active: 400 * time.Millisecond,
		Process: watch.NewProcesses(s.FD()).Of, CPUShare: 0.5}, got)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", d, err)
		}
		if st := d.Stats(); st.Malformed > 0 {
			t.Errorf("stats %+v", st)
		}
	})
	select {
	case <-d.Ready():
	case err := <-done:
		done <- err
		t.Fatal(err)
	}
	return got
}

// ownName is what this test is called in the process table.
func ownName(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func listen(t *testing.T, s *netlab.Space, addr string) <-chan net.Conn {
	t.Helper()
	var l net.Listener
	var err error
	s.Do(func() { l, err = net.Listen("tcp", addr) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conns := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			conns <- c
		}
	}()
	return conns
}

func open(t *testing.T, s *netlab.Space, addr string) (c net.Conn) {
	t.Helper()
	var err error
	s.Do(func() { c, err = net.DialTimeout("tcp", addr, 5*time.Second) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func await(t *testing.T, got *records, port uint16) flow.Record {
	t.Helper()
	for range 400 {
		if list := got.find(port); len(list) > 0 {
			return list[0]
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no record for port %d among %+v", port, got.all)
	return flow.Record{}
}
