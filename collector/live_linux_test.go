package collector_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/capture/filter"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// inNamespace runs the test again in a network namespace of its own, and reports
// whether this is that run.
func inNamespace(t *testing.T) bool {
	t.Helper()
	testenv.Need(t, "netns", "ip")
	if os.Getenv("BULKHEAD_TEST_NAMESPACE") == "1" {
		run(t, "ip link set lo up")
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "BULKHEAD_TEST_NAMESPACE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}

func run(t *testing.T, command string) {
	t.Helper()
	f := strings.Fields(command)
	if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
}

func veth(t *testing.T) {
	t.Helper()
	run(t, "ip link add tap0 type veth peer name gen0")
	for _, i := range []string{"tap0", "gen0"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+i+"/disable_ipv6", []byte("1"), 0o644) // or it would talk by itself
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		run(t, "ip link set "+i+" up")
	}
	carrier(t, "tap0", "gen0")
}

// carrier waits until an interface is up at both ends.
func carrier(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		for range 200 {
			time.Sleep(20 * time.Millisecond)
			if out, err := exec.Command("ip", "-o", "link", "show", name).CombinedOutput(); err == nil && strings.Contains(string(out), "state UP") {
				break
			}
		}
	}
}

// send puts frames on an interface.
func send(t *testing.T, name string, frames ...[]byte) {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	to := unix.SockaddrLinklayer{Ifindex: i.Index}
	for _, f := range frames {
		for err = unix.ENOBUFS; err == unix.ENOBUFS; {
			err = unix.Sendto(fd, f, 0, &to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// watched is a sink for several goroutines.
type watched struct {
	mu sync.Mutex
	kept
}

func (w *watched) Records(r []flow.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept.Records(r)
}

func (w *watched) Names(n []flow.Name) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept.Names(n)
}

// live captures while during runs, and returns what came out.
func live(t *testing.T, o collector.LiveOptions, during func(l *collector.Live)) (*watched, collector.Stats) {
	t.Helper()
	var k watched
	l, err := collector.OpenLive(o, &k)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1) // one result
	go func() { done <- l.Run(ctx) }()
	<-l.Ready()
	during(l)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("%s: %v", l, err)
	}
	return &k, l.Stats()
}

// until waits for a condition on the counters.
func until(t *testing.T, l *collector.Live, what string, ok func(collector.Stats) bool) {
	t.Helper()
	for range 1200 { // a minute: the machine may be busy
		if ok(l.Stats()) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%s did not happen: %+v", what, l.Stats())
}

func TestLiveCapturesWithTagsAndCounters(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	veth(t)
	var frames [][]byte
	for _, f := range connection(t) {
		tagged := append(append(append([]byte{}, f[:12]...), 0x81, 0, 0, 77), f[12:]...)
		frames = append(frames, tagged)
	}
	k, s := live(t, collector.LiveOptions{Interfaces: []string{"tap0"}}, func(l *collector.Live) {
		send(t, "gen0", frames...)
		until(t, l, "five frames", func(s collector.Stats) bool { return s.Frames >= 5 })
	})
	if len(k.records) != 1 {
		t.Fatalf("%d records: %+v; %+v", len(k.records), k.records, s)
	}
	r := k.records[0]
	if r.VLAN != 77 || r.ClientPackets != 3 || r.ServerPackets != 2 || r.ClientBytes != 163 || r.Sensor != "tap0" || r.Outcome != flow.Established {
		t.Errorf("%+v", r)
	}
	if len(k.names) != 1 || s.Kernel.Received != s.Frames || s.Kernel.Dropped != 0 {
		t.Errorf("%+v %+v", k.names, s)
	}
}

// The filter and the snap length work in the kernel: what is filtered away is not
// received, and what is cut off still counts.
func TestLiveFilterAndSnapLength(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	veth(t)
	program, err := filter.Compile("src host 10.0.0.1 and tcp port 8081")
	if err != nil {
		t.Fatal(err)
	}
	o := collector.LiveOptions{Interfaces: []string{"tap0"}, Filter: program, Ring: capture.RingOptions{SnapLength: 60}}
	k, s := live(t, o, func(l *collector.Live) {
		send(t, "gen0", connection(t)...)
		until(t, l, "three frames", func(s collector.Stats) bool { return s.Frames >= 3 })
	})
	if s.Frames != 3 || s.Kernel.Received != 3 || s.Truncated != 1 {
		t.Errorf("%+v", s)
	}
	if len(k.records) != 1 || k.records[0].ClientPackets != 3 || k.records[0].ClientBytes != 163 || k.records[0].ServerPackets != 0 {
		t.Errorf("%+v", k.records)
	}
}

func TestLiveSurvivesTheInterface(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	veth(t)
	n := uint64(0)
	o := collector.LiveOptions{Interfaces: []string{"tap0"}, Retry: 50 * time.Millisecond}
	k, s := live(t, o, func(l *collector.Live) {
		again := func(what, tap string) {
			n += 5
			carrier(t, tap, "gen0")
			time.Sleep(100 * time.Millisecond) // for a ring that is opened again
			send(t, "gen0", connection(t)...)
			until(t, l, "capture "+what, func(s collector.Stats) bool { return s.Frames >= n })
		}
		again("at first", "tap0")
		run(t, "ip link set tap0 down")
		time.Sleep(200 * time.Millisecond)
		run(t, "ip link set tap0 up")
		again("after down and up", "tap0")
		run(t, "ip link set tap0 down")
		run(t, "ip link set tap0 name renamed0")
		run(t, "ip link set renamed0 up")
		again("after being renamed", "renamed0")
		run(t, "ip link del renamed0")
		time.Sleep(200 * time.Millisecond)
		veth(t)
		again("after being removed and made again", "tap0")
	})
	var packets uint64
	for _, r := range k.records {
		packets += r.ClientPackets + r.ServerPackets
	}
	if packets != s.Frames || s.Frames != n {
		t.Errorf("%d packets in records, %d frames, %d sent", packets, s.Frames, n)
	}
}

// Both directions of a flow reach the same ring of a group.
func TestLiveFanoutKeepsFlowsTogether(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	veth(t)
	const flows = 200
	var frames [][]byte
	for i := range uint16(flows) {
		c, s := "10.0.0.1", "10.0.0.2"
		frames = append(frames,
			segment(t, c, s, 1000+i, 443, func(t *layers.TCP) { t.SYN = true }, ""),
			segment(t, s, c, 443, 1000+i, func(t *layers.TCP) { t.SYN, t.ACK = true, true }, ""),
			segment(t, c, s, 1000+i, 443, func(t *layers.TCP) { t.ACK = true }, ""))
	}
	k, s := live(t, collector.LiveOptions{Interfaces: []string{"tap0"}, Fanout: 3}, func(l *collector.Live) {
		send(t, "gen0", frames...)
		until(t, l, "all frames", func(s collector.Stats) bool { return s.Frames >= flows*3 })
	})
	if len(k.records) != flows || s.Assemble.Flows != flows {
		t.Errorf("%d records of %d flows; %+v", len(k.records), flows, s)
	}
	for _, r := range k.records {
		if r.ClientPackets != 2 || r.ServerPackets != 1 {
			t.Errorf("%+v", r)
		}
	}
}

// A flow that two interfaces see is counted once, and says that both saw it.
func TestLiveCountsCopiesOnce(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	veth(t)
	run(t, "ip link add tap1 type veth peer name gen1")
	run(t, "ip link set tap1 up")
	run(t, "ip link set gen1 up")
	carrier(t, "tap1", "gen1")
	o := collector.LiveOptions{Interfaces: []string{"tap0", "tap1"}, Fanout: 2}
	k, s := live(t, o, func(l *collector.Live) {
		for _, f := range connection(t) {
			send(t, "gen0", f)
			send(t, "gen1", f)
		}
		until(t, l, "ten frames", func(s collector.Stats) bool { return s.Frames >= 10 })
	})
	var flows []flow.Record
	for _, r := range k.records {
		if r.Key.Proto == flow.TCP {
			flows = append(flows, r)
		}
	}
	if len(flows) != 1 || flows[0].ClientPackets != 3 || flows[0].ServerPackets != 2 || flows[0].Sensor != "tap0+tap1" {
		t.Errorf("%+v", flows)
	}
	if drops := s.Drops(); drops[flow.DropDuplicate] != 5 {
		t.Errorf("%d duplicates", drops[flow.DropDuplicate])
	}
}

func TestLiveRefusesWhatItCannotOpen(t *testing.T) {
	testenv.Need(t, "root")
	if _, err := collector.OpenLive(collector.LiveOptions{Interfaces: []string{"nonesuch0"}}, &kept{}); err == nil || !strings.Contains(err.Error(), "nonesuch0") {
		t.Errorf("error %v", err)
	}
	if _, err := collector.OpenLive(collector.LiveOptions{}, &kept{}); err == nil {
		t.Error("no interface, no error")
	}
}
