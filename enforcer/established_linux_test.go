package enforcer_test

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// routed is a client and a server with a router between them.
type routed struct {
	client, router, server *netlab.Space
}

func newRouted(t testing.TB) *routed {
	r := &routed{netlab.New(t), netlab.New(t), netlab.New(t)}
	netlab.Join(t, "c0", r.client, []string{"10.8.1.2/24"}, r.router, []string{"10.8.1.1/24"})
	netlab.Join(t, "s0", r.server, []string{"10.8.2.2/24"}, r.router, []string{"10.8.2.1/24"})
	r.client.Route(t, "0.0.0.0/0", "10.8.1.1")
	r.server.Route(t, "0.0.0.0/0", "10.8.2.1")
	r.router.Sysctl(t, "ipv4/ip_forward", "1")
	return r
}

func (r *routed) host(mode nft.Mode) nft.Host {
	h := nft.Host{Mode: mode, Workloads: []nft.Workload{
		{ID: "client", Labels: topology.Labels{"role": "client"}, Addrs: []netip.Addr{netip.MustParseAddr("10.8.1.2")}},
		{ID: "server", Labels: topology.Labels{"role": "server"}, Addrs: []netip.Addr{netip.MustParseAddr("10.8.2.2")}},
	}}
	if mode == nft.ModeHost {
		h.Self = []string{"server"}
	}
	return h
}

// closed protects the server and lets nobody in. Its outbound side stays open,
// which is what makes connections that are picked up in their middle dangerous.
func closed(stage policy.Stage) *policy.Set {
	return &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed(),
		Policies: []policy.Policy{{Name: "closed", Scope: policy.Select(topology.Labels{"role": "server"}), Stage: stage}}}
}

// alive reports whether a byte still makes the round trip over c.
func alive(c net.Conn) bool {
	c.SetDeadline(time.Now().Add(600 * time.Millisecond))
	b := []byte{1}
	if _, err := c.Write(b); err != nil {
		return false
	}
	_, err := c.Read(b)
	return err == nil
}

// TestEstablishedConnections: a change that forbids a connection leaves it alone
// or ends it, as it says; on a gateway and on the server's own host.
func TestEstablishedConnections(t *testing.T) {
	testenv.Need(t, "netns")
	for _, mode := range []nft.Mode{nft.ModeGateway, nft.ModeHost} {
		for _, what := range []enforcer.Established{enforcer.Keep, enforcer.Cut} {
			t.Run(mode.String()+" "+string(what), func(t *testing.T) { testEstablished(t, mode, what) })
		}
	}
}

func testEstablished(t *testing.T, mode nft.Mode, what enforcer.Established) {
	lab := newRouted(t)
	echo(t, lab.server, "10.8.2.2:80")
	at := lab.router
	if mode == nft.ModeHost {
		at = lab.server
	}
	k := openKernel(t, at)
	e, err := enforcer.Open(enforcer.Options{Kernel: k, Dir: t.TempDir(), CutConnections: enforcer.Cutter(k, at.FD())})
	if err != nil {
		t.Fatal(err)
	}
	// Monitor first: that is when the kernel begins to track connections.
	if _, err := e.Apply(t.Context(), enforcer.Request{Set: closed(policy.Monitor), Host: lab.host(mode)}); err != nil {
		t.Fatal(err)
	}
	old, err := dial(lab.client, "10.8.2.2:80", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if !alive(old) {
		t.Fatal("the connection never worked")
	}
	if _, err := e.Apply(t.Context(), enforcer.Request{Set: closed(policy.Enforce), Host: lab.host(mode), Established: what}); err != nil {
		t.Fatal(err)
	}
	if got := alive(old); got != (what == enforcer.Keep) {
		t.Errorf("with %s, the old connection works: %v", what, got)
	}
	if what == enforcer.Cut && alive(old) {
		t.Error("a connection that was cut came back")
	}
	if reaches(lab.client, "10.8.2.2:80") {
		t.Error("a new connection gets through")
	}
}

// TestServerCannotReviveCutConnection: connection tracking takes a forgotten
// connection whose server speaks next for a new one from the server, which
// egress allows. It must still end.
func TestServerCannotReviveCutConnection(t *testing.T) {
	testenv.Need(t, "netns")
	lab := newRouted(t)
	k := openKernel(t, lab.router)
	e, err := enforcer.Open(enforcer.Options{Kernel: k, Dir: t.TempDir(), CutConnections: enforcer.Cutter(k, lab.router.FD())})
	if err == nil {
		_, err = e.Apply(t.Context(), enforcer.Request{Set: closed(policy.Monitor), Host: lab.host(nft.ModeGateway)})
	}
	if err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	lab.server.Do(func() { l, err = net.Listen("tcp", "10.8.2.2:80") })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := dial(lab.client, "10.8.2.2:80", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var got atomic.Int64
	go func() {
		b := make([]byte, 16)
		for {
			n, err := client.Read(b)
			got.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	server.Write([]byte("x"))
	eventually(t, "the server's byte arrives", func() bool { return got.Load() == 1 })
	if _, err := e.Apply(t.Context(), enforcer.Request{Set: closed(policy.Enforce), Host: lab.host(nft.ModeGateway), Established: enforcer.Cut}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		server.Write([]byte("y"))
		time.Sleep(50 * time.Millisecond)
	}
	if n := got.Load(); n != 1 {
		t.Errorf("%d bytes of the server arrived after the cut", n-1)
	}
	server.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := server.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the server's side still stands: %v", err)
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}
