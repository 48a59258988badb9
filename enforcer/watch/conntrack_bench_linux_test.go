package watch_test

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// tenThousand is how many connections one operation of BenchmarkDiscovery opens
// and ends, in a second.
const tenThousand = 10000

// BenchmarkDiscovery: ten thousand connections a second on a host, each announced
// when it begins and when it ends. core-% is the listener's processor time as a
// share of one core; lost says how often the kernel had to drop announcements.
func BenchmarkDiscovery(b *testing.B) {
	testenv.Need(b, "netns")
	client, server := netlab.New(b), netlab.New(b)
	netlab.Join(b, "eth0", client, []string{"10.9.0.1/24"}, server, []string{"10.9.0.2/24"})
	observeNothing(b, client)
	var got counter
	d := watch.NewDiscovery(watch.DiscoveryOptions{NetNS: client.FD(), CPUShare: 1, Process: watch.NewProcesses(client.FD()).Of}, &got)
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	<-d.Ready()
	send := sender(b, client)
	h, err := netlink.NewHandleAt(netns.NsHandle(client.FD()), unix.NETLINK_NETFILTER)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	before := d.Stats().Used
	opened := uint64(0)
	for b.Loop() {
		began := time.Now()
		for i := range tenThousand {
			send(uint16(1024+i), uint16(9000+opened%1000))
			opened++
			if i%100 == 99 {
				time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / tenThousand)))
			}
		}
		if err := h.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
			b.Fatal(err)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); got.Load() < opened && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	st := d.Stats()
	b.ReportMetric(float64(st.Used-before)/float64(opened), "cpu-ns/conn")
	b.ReportMetric(100*tenThousand*(st.Used-before).Seconds()/float64(opened), "core-%")
	b.ReportMetric(float64(got.Load())/float64(opened), "records/conn")
	b.ReportMetric(float64(st.Lost), "lost")
	stop()
	if err := <-done; err != nil {
		b.Error(err)
	}
}

// TestDiscoveryKeepsItsShare: with next to no processor time allowed, the listener
// rests, and says how long; what it could not hear it counts or finds at the next
// look at the table.
func TestDiscoveryKeepsItsShare(t *testing.T) {
	testenv.Need(t, "netns")
	client, server := netlab.New(t), netlab.New(t)
	netlab.Join(t, "eth0", client, []string{"10.9.0.1/24"}, server, []string{"10.9.0.2/24"})
	observeNothing(t, client)
	var got counter
	const share = 0.001
	d := watch.NewDiscovery(watch.DiscoveryOptions{NetNS: client.FD(), CPUShare: share, Active: time.Second}, &got)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- d.Run(ctx) }()
	<-d.Ready()
	send := sender(t, client)
	for i := range 60000 {
		send(uint16(1024+i), 9000)
	}
	for deadline := time.Now().Add(time.Minute); d.Stats().Rested == 0 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	st := d.Stats()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if st.Rested == 0 {
		t.Errorf("it never rested: %+v", st)
	}
	// One look at the table, and one receive, may go beyond the share before it rests.
	if allowed := time.Second + time.Duration(share*float64(time.Since(began))); st.Used > allowed {
		t.Errorf("it used %v of processor time, want at most %v", st.Used, allowed)
	}
}

type counter struct{ atomic.Uint64 }

func (c *counter) Records(r []flow.Record) error { c.Add(uint64(len(r))); return nil }

// sender sends empty UDP datagrams from and to any ports out of a namespace; each
// pair of ports is a connection to connection tracking.
func sender(t testing.TB, from *netlab.Space) func(src, dst uint16) {
	t.Helper()
	var fd int
	var err error
	from.Do(func() { fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	to := &unix.SockaddrInet4{Addr: [4]byte{10, 9, 0, 2}}
	return func(src, dst uint16) {
		var b [8]byte // RFC 768: ports, length, no checksum
		binary.BigEndian.PutUint16(b[0:], src)
		binary.BigEndian.PutUint16(b[2:], dst)
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		if err := unix.Sendto(fd, b[:], 0, to); err != nil {
			t.Fatal(err)
		}
	}
}
