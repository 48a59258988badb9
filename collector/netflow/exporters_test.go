package netflow_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// packet is one packet of a connection: who sends it, its flags and its payload.
type packet struct {
	fromServer bool
	flags      uint8
	payload    int
}

// conversation opens a connection, asks, answers, and closes it.
var conversation = []packet{
	{false, flow.SYN, 0}, {true, flow.SYN | flow.ACK, 0}, {false, flow.ACK, 0},
	{false, flow.PSH | flow.ACK, 200}, {true, flow.ACK, 0}, {true, flow.PSH | flow.ACK, 1200}, {false, flow.ACK, 0},
	{false, flow.FIN | flow.ACK, 0}, {true, flow.FIN | flow.ACK, 0}, {false, flow.ACK, 0},
}

// traffic writes a capture of n conversations, and of n SYNs that nobody answers,
// and returns the flows it holds.
func traffic(t *testing.T, n int) (path string, flows []flow.Record) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "traffic.pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	start := time.Now().Add(-time.Minute).Truncate(time.Millisecond)
	for i := range n {
		r := flow.Record{Outcome: flow.Established, Key: flow.Key{
			Client: netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), Server: netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 5)}),
			ClientPort: uint16(52000 + i), ServerPort: 33100, Proto: flow.TCP}} // a port that says nothing
		for j, p := range conversation {
			size := writePacket(t, w, r.Key, p, start.Add(time.Duration(i*200+j*10)*time.Millisecond))
			if p.fromServer {
				r.ServerPackets, r.ServerBytes = r.ServerPackets+1, r.ServerBytes+size
			} else {
				r.ClientPackets, r.ClientBytes = r.ClientPackets+1, r.ClientBytes+size
			}
		}
		probe := flow.Record{Outcome: flow.Unanswered, Key: r.Key, ClientPackets: 1}
		probe.Key.Server, probe.Key.ServerPort = netip.AddrFrom4([4]byte{10, 0, 2, byte(i)}), 22
		probe.ClientBytes = writePacket(t, w, probe.Key, packet{false, flow.SYN, 0}, start.Add(time.Duration(i*200+150)*time.Millisecond))
		flows = append(flows, r, probe)
	}
	return path, flows
}

// writePacket writes one frame and returns its size at layer 3.
func writePacket(t *testing.T, w *pcapgo.Writer, k flow.Key, p packet, at time.Time) uint64 {
	t.Helper()
	if p.fromServer {
		k = k.Reverse()
	}
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: k.Client.AsSlice(), DstIP: k.Server.AsSlice()}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(k.ClientPort), DstPort: layers.TCPPort(k.ServerPort), Window: 1000,
		SYN: p.flags&flow.SYN != 0, ACK: p.flags&flow.ACK != 0, PSH: p.flags&flow.PSH != 0, FIN: p.flags&flow.FIN != 0}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, eth, ip, tcp, gopacket.Payload(make([]byte, p.payload))); err != nil {
		t.Fatal(err)
	}
	b := buf.Bytes()[:14+int(ip.Length)] // without Ethernet's padding, which softflowd counts
	if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(b), Length: len(b)}, b); err != nil {
		t.Fatal(err)
	}
	return uint64(ip.Length)
}

// exported runs real exporters against a server of ours, one after the other, and
// returns what came of it once there are as many flow records as given. Each
// exporter gets the port to export to. How it exits says little: pmacctd's status
// depends on which of its processes ends first.
func exported(t *testing.T, rows uint64, run ...func(port int) *exec.Cmd) ([]flow.Record, netflow.Stats) {
	t.Helper()
	g := &gather{}
	d := netflow.NewDecoder(netflow.Options{ByPort: true}, g)
	s, stop := listen(t, netflow.ListenOptions{Workers: 1}, d)
	for _, r := range run {
		cmd := r(s.Addrs()[0].(*net.UDPAddr).Port)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("%v: %v\n%.500s", cmd.Args, err, out)
		}
	}
	wait(t, func() bool { return d.Stats().Flows >= rows })
	if err := stop(); err != nil { // reads what is left in the socket
		t.Fatal(err)
	}
	return g.records, d.Stats()
}

// essence is what a record must say whatever exported it.
func essence(rs []flow.Record) (out []string) {
	for _, r := range rs {
		out = append(out, fmt.Sprintf("%v:%d > %v:%d %d/%d packets %d/%d bytes %v", r.Key.Client, r.Key.ClientPort, r.Key.Server, r.Key.ServerPort,
			r.ClientPackets, r.ServerPackets, r.ClientBytes, r.ServerBytes, r.Outcome))
	}
	slices.Sort(out)
	return out
}

func softflowd(t *testing.T, path, version string) func(int) *exec.Cmd {
	return func(port int) *exec.Cmd {
		return exec.Command("softflowd", "-r", path, "-n", fmt.Sprintf("127.0.0.1:%d", port), "-v", version, "-c", "none", "-d",
			"-p", filepath.Join(t.TempDir(), "pid"))
	}
}

func TestSoftflowd(t *testing.T) {
	testenv.Need(t, "softflowd")
	path, want := traffic(t, 50)
	for _, version := range []string{"5", "9", "10"} {
		got, stats := exported(t, 150, softflowd(t, path, version))
		if diff := gocmp.Diff(essence(want), essence(got)); diff != "" {
			t.Errorf("v%s (-want +got):\n%.4000s", version, diff)
		}
		if lost := stats.LostFlows + stats.LostPackets + stats.LostRecords; lost != 0 || stats.SetDrops.Total() != 0 {
			t.Errorf("v%s: lost %d, dropped %v", version, lost, stats.SetDrops)
		}
	}
}

// pmacct runs pmacctd over a capture until it has exported what it saw.
func pmacct(t *testing.T, config string) *exec.Cmd {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pmacctd.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, "pmacctd", "-f", path)
}

func nfprobe(t *testing.T, path, version string) func(int) *exec.Cmd {
	return func(port int) *exec.Cmd {
		return pmacct(t, fmt.Sprintf("daemonize: false\npcap_savefile: %s\nplugins: nfprobe\nnfprobe_receiver: 127.0.0.1:%d\nnfprobe_version: %s\n"+
			"nfprobe_timeouts: expint=1:tcp.fin=1:tcp.rst=1:tcp=1:udp=1:maxlife=3600:general=1\n"+
			"aggregate: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags\n", path, port, version))
	}
}

func TestNfprobe(t *testing.T) {
	testenv.Need(t, "pmacctd")
	t.Parallel() // pmacctd waits some seconds before it ends
	path, want := traffic(t, 50)
	for _, version := range []string{"5", "9", "10"} {
		t.Run("v"+version, func(t *testing.T) {
			t.Parallel()
			got, stats := exported(t, 150, nfprobe(t, path, version))
			if diff := gocmp.Diff(essence(want), essence(got)); diff != "" {
				t.Errorf("(-want +got):\n%.4000s", diff)
			}
			if lost := stats.LostFlows + stats.LostPackets + stats.LostRecords; lost != 0 || stats.SetDrops.Total() != 0 {
				t.Errorf("lost %d, dropped %v", lost, stats.SetDrops)
			}
		})
	}
}

func sfprobe(t *testing.T, path string) func(int) *exec.Cmd {
	return func(port int) *exec.Cmd {
		return pmacct(t, fmt.Sprintf("daemonize: false\npcap_savefile: %s\nplugins: sfprobe\nsfprobe_receiver: 127.0.0.1:%d\nsampling_rate: 1\n"+
			"aggregate: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags\n", path, port))
	}
}

// Every packet sampled gives the same flows as counting them. sfprobe does not
// send its last samples when the capture ends.
func TestSfprobe(t *testing.T) {
	testenv.Need(t, "pmacctd")
	t.Parallel()
	path, want := traffic(t, 50)
	got, stats := exported(t, 540, sfprobe(t, path))
	have := map[string]bool{}
	for _, e := range essence(got) {
		have[e] = true
	}
	for _, e := range essence(want[:len(want)-6]) {
		if !have[e] {
			t.Errorf("missing %s", e)
		}
	}
	if stats.LostDatagrams != 0 || stats.RowDrops.Total() != 0 {
		t.Errorf("lost %d datagrams, dropped %v", stats.LostDatagrams, stats.RowDrops)
	}
}

// Two probes that watch the same wire give each connection once.
func TestTwoProbesCountOnce(t *testing.T) {
	testenv.Need(t, "softflowd", "pmacctd")
	t.Parallel()
	path, want := traffic(t, 20)
	got, stats := exported(t, 120, softflowd(t, path, "9"), nfprobe(t, path, "10"))
	counted := slices.DeleteFunc(slices.Clone(got), func(r flow.Record) bool { return r.ClientPackets+r.ServerPackets == 0 })
	if diff := gocmp.Diff(essence(want), essence(counted)); diff != "" {
		t.Errorf("(-want +got):\n%.4000s", diff)
	}
	sensors := map[string]map[uint64]bool{}
	for _, r := range got {
		if sensors[r.Sensor] == nil {
			sensors[r.Sensor] = map[uint64]bool{}
		}
		sensors[r.Sensor][r.ID] = true
	}
	for name, ids := range sensors {
		if len(ids) < len(want)/2 {
			t.Errorf("%s is said to have seen %d of %d connections", name, len(ids), len(want)/2)
		}
	}
	if len(sensors) != 2 {
		t.Errorf("seen by %d probes, want 2; stitched %+v", len(sensors), stats.Stitch)
	}
}
