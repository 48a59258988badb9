// Package netlab is test support: network namespaces joined by veth pairs, in
// which real rulesets meet real packets. It needs root.
package netlab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Space is a network namespace of its own, gone when the test ends.
type Space struct {
	handle netns.NsHandle
	link   *netlink.Handle
}

// New makes a namespace with its loopback up.
func New(t testing.TB) *Space {
	t.Helper()
	s := &Space{}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is in the new namespace and dies with the goroutine
		h, err := netns.New()
		s.handle = h
		made <- err
	}()
	if err := <-made; err != nil {
		t.Fatalf("new network namespace: %v", err)
	}
	var err error
	if s.link, err = netlink.NewHandleAt(s.handle); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.link.Close()
		s.handle.Close()
	})
	s.up(t, "lo")
	return s
}

// FD is a file descriptor of the namespace.
func (s *Space) FD() int { return int(s.handle) }

// Do runs f with its thread in the namespace: sockets opened and processes
// started by f, not by goroutines of its own, belong there.
func (s *Space) Do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := netns.Set(s.handle); err != nil {
			panic(fmt.Sprintf("enter namespace: %v", err))
		}
		f()
	}()
	<-done
}

// Run runs a program in the namespace and fails the test if it fails.
func (s *Space) Run(t testing.TB, stdin, name string, args ...string) string {
	t.Helper()
	out, err := s.Try(stdin, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// Try runs a program in the namespace and returns what it printed.
func (s *Space) Try(stdin, name string, args ...string) (out string, err error) {
	s.Do(func() {
		cmd := exec.Command(name, args...)
		cmd.Stdin = strings.NewReader(stdin)
		var b []byte
		b, err = cmd.CombinedOutput()
		out = string(b)
	})
	return out, err
}

// Sysctl sets a value under /proc/sys/net of the namespace.
func (s *Space) Sysctl(t testing.TB, key, value string) {
	t.Helper()
	s.Do(func() {
		if err := os.WriteFile("/proc/sys/net/"+key, []byte(value), 0); err != nil {
			t.Errorf("sysctl %s: %v", key, err)
		}
	})
}

// Join connects two namespaces by a veth pair called name on both sides, with
// these addresses ("10.0.0.1/24", "fd00::1/64") on a's and b's end.
func Join(t testing.TB, name string, a *Space, aAddrs []string, b *Space, bAddrs []string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	attrs.Namespace = netlink.NsFd(a.handle)
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: name, PeerNamespace: netlink.NsFd(b.handle)}
	if err := a.link.LinkAdd(pair); err != nil {
		t.Fatalf("veth %s: %v", name, err)
	}
	a.Address(t, name, aAddrs...)
	b.Address(t, name, bAddrs...)
	a.awaitCarrier(t, name)
	b.awaitCarrier(t, name)
}

// awaitCarrier waits until the kernel has noticed that the link is up: until then
// it drops what is sent.
func (s *Space) awaitCarrier(t testing.TB, link string) {
	t.Helper()
	for range 500 {
		l, err := s.link.LinkByName(link)
		if err != nil {
			t.Fatal(err)
		}
		if l.Attrs().OperState == netlink.OperUp {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("link %s never came up", link)
}

// Address adds addresses to an interface and brings it up.
func (s *Space) Address(t testing.TB, link string, addrs ...string) {
	t.Helper()
	l, err := s.link.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range addrs {
		a, err := netlink.ParseAddr(text)
		if err != nil {
			t.Fatal(err)
		}
		if a.IP.To4() == nil {
			a.Flags = 0x02 // IFA_F_NODAD: usable at once
		}
		if err := s.link.AddrAdd(l, a); err != nil {
			t.Fatalf("address %s: %v", text, err)
		}
	}
	s.up(t, link)
	s.awaitLocal(t, addrs)
}

// awaitLocal waits until the kernel takes packets to these addresses for its own:
// IPv6 addresses become so by a work queue, even without detecting duplicates.
func (s *Space) awaitLocal(t testing.TB, addrs []string) {
	t.Helper()
	const routeLocal = 2 // RTN_LOCAL
	for _, text := range addrs {
		ip, _, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			routes, err := s.link.RouteGet(ip)
			if err == nil && len(routes) > 0 && routes[0].Type == routeLocal {
				break
			}
			if i == 500 {
				t.Fatalf("address %s never became local", text)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// Neighbour tells s for good which hardware address a neighbour on a link has: that
// of peer's interface of the same name.
func (s *Space) Neighbour(t testing.TB, link, addr string, peer *Space) {
	t.Helper()
	here, err := s.link.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	there, err := peer.link.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	err = s.link.NeighSet(&netlink.Neigh{LinkIndex: here.Attrs().Index, State: netlink.NUD_PERMANENT,
		IP: net.ParseIP(addr), HardwareAddr: there.Attrs().HardwareAddr})
	if err != nil {
		t.Fatalf("neighbour %s: %v", addr, err)
	}
}

// Unaddress takes an address ("10.0.0.1/24") off an interface again.
func (s *Space) Unaddress(t testing.TB, link, addr string) {
	t.Helper()
	l, err := s.link.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	a, err := netlink.ParseAddr(addr)
	if err == nil {
		err = s.link.AddrDel(l, a)
	}
	if err != nil {
		t.Fatalf("remove address %s: %v", addr, err)
	}
}

// Route sends dst ("0.0.0.0/0") by a gateway.
func (s *Space) Route(t testing.TB, dst, via string) {
	t.Helper()
	_, n, err := net.ParseCIDR(dst)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.link.RouteAdd(&netlink.Route{Dst: n, Gw: net.ParseIP(via)}); err != nil {
		t.Fatalf("route %s via %s: %v", dst, via, err)
	}
}

func (s *Space) up(t testing.TB, link string) {
	t.Helper()
	l, err := s.link.LinkByName(link)
	if err == nil {
		err = s.link.LinkSetUp(l)
	}
	if err != nil {
		t.Fatalf("%s up: %v", link, err)
	}
}

// Bridge makes these interfaces ports of a new bridge.
func (s *Space) Bridge(t testing.TB, name string, ports ...string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := s.link.LinkAdd(bridge); err != nil {
		t.Fatalf("bridge %s: %v", name, err)
	}
	for _, port := range ports {
		l, err := s.link.LinkByName(port)
		if err == nil {
			err = s.link.LinkSetMaster(l, bridge)
		}
		if err != nil {
			t.Fatalf("port %s of bridge %s: %v", port, name, err)
		}
	}
	s.up(t, name)
}
