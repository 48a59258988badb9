package netflow_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/collector/netflow/netflowtest"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// The shape of everything in the program that runs.
var _ interface {
	Run(context.Context) error
	Ready() <-chan struct{}
	String() string
} = (*netflow.Server)(nil)

// listen starts a server on loopback and returns what stops it and waits.
func listen(t testing.TB, o netflow.ListenOptions, d *netflow.Decoder) (*netflow.Server, func() error) {
	t.Helper()
	o.Addresses = []string{"udp://127.0.0.1:0"}
	s, err := netflow.Listen(o, d)
	if errors.Is(err, errors.ErrUnsupported) {
		testenv.Unable(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() { failed = s.Run(ctx) })
	<-s.Ready()
	return s, func() error { cancel(); wg.Wait(); return failed }
}

// wait polls until done, for at most half a minute.
func wait(t testing.TB, done func() bool) {
	t.Helper()
	for range 6000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("what was waited for did not come")
}

func dial(t testing.TB, s *netflow.Server) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, s.Addrs()[0].(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestServerReceivesAndFlushes(t *testing.T) {
	want := netflowtest.Records(3000, 1, boot+3600e9)
	var halves []netflowtest.Half
	for i := range want {
		halves = append(halves, netflowtest.Halves(&want[i])...)
	}
	datagrams := (&netflowtest.Encoder{Format: netflowtest.IPFIX, Boot: boot}).Datagrams(halves, boot+7200e9)
	g := &gather{}
	d := netflow.NewDecoder(netflow.Options{}, g)
	s, stop := listen(t, netflow.ListenOptions{Workers: 2}, d)
	sent, err := netflowtest.Blast(context.Background(), dial(t, s), datagrams, len(datagrams), 20000)
	if err != nil || sent != len(datagrams) {
		t.Fatalf("sent %d: %v", sent, err)
	}
	wait(t, func() bool { return s.Stats().Received+s.Stats().KernelDrops >= uint64(sent) })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if st.Received+st.KernelDrops != uint64(sent) {
		t.Fatalf("sent %d datagrams, saw %+v", sent, st)
	}
	if st.KernelDrops == 0 {
		if diff := gocmp.Diff(plain(want), plain(g.records), compareKeys); diff != "" {
			t.Errorf("(-want +got):\n%.3000s", diff)
		}
	}
	if ex := d.Stats().Exporters; len(ex) != 1 || ex[0].Exporter.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("exporters %+v", ex)
	}
}

// slow is a sink that keeps the receiver busy.
type slow struct{}

func (slow) Records([]flow.Record) error { time.Sleep(300 * time.Millisecond); return nil }

// What does not fit the receive buffer is counted by the kernel, and by us.
func TestKernelDropsAreCounted(t *testing.T) {
	datagrams := [][]byte{make([]byte, 1400)}
	copy(datagrams[0], unhex(t, "0005 0001"))
	d := netflow.NewDecoder(netflow.Options{Batch: 1}, slow{})
	s, stop := listen(t, netflow.ListenOptions{Workers: 1, ReceiveBuffer: 4096}, d)
	conn := dial(t, s)
	const total = 2000
	if _, err := netflowtest.Blast(context.Background(), conn, datagrams, total-1, 0); err != nil {
		t.Fatal(err)
	}
	// The count travels with the next datagram that does fit.
	wait(t, func() bool {
		if _, err := conn.Write(datagrams[0]); err != nil {
			t.Fatal(err)
		}
		return s.Stats().KernelDrops > 0
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.KernelDrops == 0 || st.Received == 0 {
		t.Errorf("no drops seen: %+v", st)
	}
}

type failing struct{}

var errFull = errors.New("disk full")

func (failing) Records([]flow.Record) error { return errFull }

func TestSinkErrorEndsRun(t *testing.T) {
	records := netflowtest.Records(10, 1, boot)
	d := netflow.NewDecoder(netflow.Options{Batch: 1}, failing{})
	s, stop := listen(t, netflow.ListenOptions{Workers: 1}, d)
	e := &netflowtest.Encoder{Format: netflowtest.V5, Boot: boot}
	if _, err := dial(t, s).Write(e.Datagrams(netflowtest.Halves(&records[0]), boot+1e9)[0]); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool { return s.Stats().Received > 0 })
	if err := stop(); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}

func TestListenRefusesBadAddress(t *testing.T) {
	d := netflow.NewDecoder(netflow.Options{}, &gather{})
	if _, err := netflow.Listen(netflow.ListenOptions{Addresses: []string{"udp://256.0.0.1:1"}}, d); err == nil {
		t.Error("listened on 256.0.0.1")
	}
	if _, err := netflow.Listen(netflow.ListenOptions{}, d); err == nil {
		t.Error("listened nowhere")
	}
}
