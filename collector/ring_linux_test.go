package collector_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// benchInNamespace runs the benchmark again in a network namespace of its own with a
// pair of interfaces, tap0 and gen0, and reports whether this is that run.
func benchInNamespace(b *testing.B) bool {
	testenv.Need(b, "netns", "ip")
	if os.Getenv("BULKHEAD_TEST_NAMESPACE") != "1" {
		cmd := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^"+b.Name()+"$", "-test.benchtime=500000x")
		cmd.Env = append(os.Environ(), "BULKHEAD_TEST_NAMESPACE=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		out, err := cmd.CombinedOutput()
		b.Logf("%s", out)
		if err != nil {
			b.Fatal(err)
		}
		return false
	}
	_ = exec.Command("ip", "link", "del", "tap0").Run() // of a shorter run of this benchmark
	for _, c := range []string{"ip link add tap0 type veth peer name gen0", "ip link set tap0 up", "ip link set gen0 up"} {
		f := strings.Fields(c)
		if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
			b.Fatalf("%s: %s", c, out)
		}
	}
	return true
}

// BenchmarkRing is the cost of the ring's reader: a generator floods a veth pair,
// and the reader's CPU time alone is counted.
func BenchmarkRing(b *testing.B) {
	if benchInNamespace(b) {
		benchmarkRing(b)
	}
}

func benchmarkRing(b *testing.B) {
	r, err := capture.OpenRing("tap0", capture.RingOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	stop := make(chan struct{})
	frames := [][]byte{smallest(b, 1)}
	go func() { generate(frames, b.N); close(stop) }()
	read := ringReader(b, r, stop)
	s, err := r.Stats()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(read.cpu.Nanoseconds())/float64(max(1, read.packets)), "reader-ns/packet")
	b.ReportMetric(float64(s.Dropped), "dropped")
	b.ReportMetric(float64(read.packets), "packets")
}

// smallest is a frame of 64 octets on the wire, its FCS included.
func smallest(b *testing.B, port uint16) []byte {
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true},
		&layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4},
		&layers.IPv4{Version: 4, TTL: 64, Id: port, Protocol: layers.IPProtocolUDP, SrcIP: ip("198.18.0.1"), DstIP: ip("198.18.0.2")},
		&layers.UDP{SrcPort: layers.UDPPort(port), DstPort: 9}, gopacket.Payload(make([]byte, 18)))
	if err != nil {
		b.Fatal(err)
	}
	return bytes.Clone(buf.Bytes())
}

type readResult struct {
	packets int
	cpu     time.Duration
}

// ringReader reads until the generator is done and the ring is empty, on a thread
// of its own whose CPU time is taken.
func ringReader(b *testing.B, r *capture.Ring, stop <-chan struct{}) readResult {
	result := make(chan readResult, 1) // one result
	go func() {
		runtime.LockOSThread()
		var w capture.Walker
		var p capture.Packet
		n, start := 0, threadCPU()
		for idle := 0; idle < 3; {
			ready, err := r.Wait(20 * time.Millisecond)
			if err != nil {
				b.Error(err)
				break
			}
			if ready {
				r.Read(func(f *capture.Frame) {
					w.Walk(f, &p)
					n++
				}, func() {})
				continue
			}
			select {
			case <-stop:
				idle++
			default:
			}
		}
		result <- readResult{n, threadCPU() - start}
	}()
	return <-result
}

// threadCPU is the user and system time of the calling thread.
func threadCPU() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// generate sends n of the frames in turn on gen0, and returns how many went out and
// the CPU time that it took.
func generate(frames [][]byte, n int) (sent int, took time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := threadCPU()
	i, err := net.InterfaceByName("gen0")
	if err != nil {
		return 0, 0
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return 0, 0
	}
	defer unix.Close(fd)
	if unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1) != nil {
		return 0, 0
	}
	to := unix.SockaddrLinklayer{Ifindex: i.Index}
	for k := range n {
		if unix.Sendto(fd, frames[k%len(frames)], 0, &to) == nil { // a full queue loses a frame of a flood
			sent++
		}
	}
	return sent, threadCPU() - start
}
