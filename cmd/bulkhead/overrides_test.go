package main

import (
	"bytes"
	"cmp"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/bulkhead/bulkhead/collector/netflow/netflowtest"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store"
)

// captureFile writes frames for a test of the command line.
type captureFile struct {
	t    *testing.T
	w    *pcapgo.Writer
	path string
	now  time.Time
}

func newCaptureFile(t *testing.T) *captureFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "traffic.pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	return &captureFile{t: t, w: w, path: path, now: time.Unix(1_700_000_000, 0)}
}

// frame writes one packet of k's client to its server, in a VLAN unless 0.
func (c *captureFile) frame(k flow.Key, vlan uint16, transport gopacket.SerializableLayer, payload []byte) {
	c.t.Helper()
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, SrcIP: k.Client.AsSlice(), DstIP: k.Server.AsSlice(), Protocol: layers.IPProtocol(k.Proto)}
	all := []gopacket.SerializableLayer{eth}
	if vlan != 0 {
		eth.EthernetType = layers.EthernetTypeDot1Q
		all = append(all, &layers.Dot1Q{VLANIdentifier: vlan, Type: layers.EthernetTypeIPv4})
	}
	all = append(all, ip, transport, gopacket.Payload(payload))
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, all...); err != nil {
		c.t.Fatal(err)
	}
	c.now = c.now.Add(time.Millisecond)
	if err := c.w.WritePacket(gopacket.CaptureInfo{Timestamp: c.now, CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}, b.Bytes()); err != nil {
		c.t.Fatal(err)
	}
}

// middle writes four packets out of the middle of a TCP connection: nothing in them
// says who opened it.
func (c *captureFile) middle(k flow.Key, vlan uint16) {
	c.t.Helper()
	for range 2 {
		for _, d := range []flow.Key{k, k.Reverse()} {
			c.frame(d, vlan, &layers.TCP{SrcPort: layers.TCPPort(d.ClientPort), DstPort: layers.TCPPort(d.ServerPort), ACK: true, PSH: true, DataOffset: 5}, make([]byte, 60))
		}
	}
}

// exported writes the same four packets of each key as a v9 exporter would report
// them to a collector.
func (c *captureFile) exported(exporter string, domain uint32, vlan uint16, keys ...flow.Key) {
	c.t.Helper()
	at := flow.TimeOf(c.now)
	e := netflowtest.Encoder{Format: netflowtest.V9, Boot: at.Add(-time.Hour), Domain: domain}
	var halves []netflowtest.Half
	for _, k := range keys {
		r := flow.Record{Key: k, First: at, Last: at.Add(3 * time.Millisecond), VLAN: vlan, ClientPackets: 2, ServerPackets: 2,
			ClientBytes: 200, ServerBytes: 200, ClientFlags: flow.ACK | flow.PSH, ServerFlags: flow.ACK | flow.PSH}
		halves = append(halves, netflowtest.Halves(&r)...)
	}
	to := flow.Key{Client: netip.MustParseAddr(exporter), Server: netip.MustParseAddr("192.0.2.250"), Proto: flow.UDP}
	for _, b := range e.Datagrams(halves, at) {
		c.frame(to, 0, &layers.UDP{SrcPort: 40000, DstPort: 2055}, b)
	}
}

// oneWay is exported for one direction only.
func (c *captureFile) oneWay(exporter string, k flow.Key) {
	c.t.Helper()
	at := flow.TimeOf(c.now)
	e := netflowtest.Encoder{Format: netflowtest.V9, Boot: at.Add(-time.Hour), Domain: 1}
	h := netflowtest.Half{Key: k, Packets: 2, Bytes: 200, First: at, Last: at.Add(time.Millisecond), Flags: flow.ACK | flow.PSH}
	to := flow.Key{Client: netip.MustParseAddr(exporter), Server: netip.MustParseAddr("192.0.2.250"), Proto: flow.UDP}
	for _, b := range e.Datagrams([]netflowtest.Half{h}, at) {
		c.frame(to, 0, &layers.UDP{SrcPort: 40000, DstPort: 2055}, b)
	}
}

// bulkhead runs the command line and returns what it printed.
func bulkhead(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	root := newRoot(strings.NewReader(""), &out, &errOut)
	root.SetArgs(args)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("bulkhead %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errOut)
	}
	return out.String(), errOut.String()
}

// inStore opens the store of a data folder as a command would.
func inStore(t *testing.T, dir string, f func(*session) error) {
	t.Helper()
	a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, log: slog.New(slog.DiscardHandler), cfg: config.Default()}
	a.cfg.DataDir = dir
	if err := a.with(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// told is what a record says that an operator can change.
type told struct {
	Client, Server string
	Override       bool
	Packets        uint64
	Scope          flow.Scope
	Sensor         string
}

func tell(rs []flow.Record) []told {
	out := make([]told, 0, len(rs))
	for _, r := range rs {
		out = append(out, told{netip.AddrPortFrom(r.Key.Client, r.Key.ClientPort).String(), netip.AddrPortFrom(r.Key.Server, r.Key.ServerPort).String(),
			r.Evidence == flow.EvidenceOverride, r.ClientPackets + r.ServerPackets, r.Key.Scope, r.Sensor})
	}
	slices.SortFunc(out, func(a, b told) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Client, b.Client), cmp.Compare(a.Sensor, b.Sensor))
	})
	return out
}

// What the operator says counts for packets and for what exporters report, word by
// word, through the configuration file and the command line.
func TestOperatorOverrides(t *testing.T) {
	testenv.Need(t, "engine")
	const a, b, x = "10.1.0.1:40000", "10.2.0.1:40001", "198.51.100.7"
	key := flow.Key{Client: netip.MustParseAddr("10.1.0.1"), Server: netip.MustParseAddr("10.2.0.1"), ClientPort: 40000, ServerPort: 40001, Proto: flow.TCP}
	other := key
	other.Client = netip.MustParseAddr("10.9.0.1")
	packets := func(c *captureFile) { c.middle(key, 0) }
	export := func(c *captureFile) { c.exported(x, 1, 0, key) }
	for _, c := range []struct {
		name, config string
		traffic      func(*captureFile)
		want         []told
		dropped      string
	}{
		{"packets, no word", "", packets, []told{{a, b, false, 4, 0, "traffic.pcap"}}, ""},
		{"exports, no word", "", export, []told{{a, b, false, 4, 0, x}}, ""},
		{"packets, server port", "serverPorts: [tcp/40000]", packets, []told{{b, a, true, 4, 0, "traffic.pcap"}}, ""},
		{"exports, server port", "serverPorts: [tcp/40000]", export, []told{{b, a, true, 4, 0, x}}, ""},
		{"packets, an address that serves", "directionOverrides: {10.1.0.1: server}", packets, []told{{b, a, true, 4, 0, "traffic.pcap"}}, ""},
		{"exports, an address that serves", "directionOverrides: {10.1.0.0/24: server}", export, []told{{b, a, true, 4, 0, x}}, ""},
		{"exports, an address that asks", "directionOverrides: {10.2.0.1: client}", export, []told{{b, a, true, 4, 0, x}}, ""},
		{"packets, ignored network", "ignore: [10.9.0.0/16]", func(c *captureFile) { c.middle(key, 0); c.middle(other, 0) }, []told{{a, b, false, 4, 0, "traffic.pcap"}}, "4 ignored"},
		{"exports, ignored network", "ignore: [10.9.0.0/16]", func(c *captureFile) { c.exported(x, 1, 0, key, other) }, []told{{a, b, false, 4, 0, x}}, "2 ignored"},
		{"packets, overlapping VLANs", "scopeVLAN: true", func(c *captureFile) { c.middle(key, 5); c.middle(key, 6) },
			[]told{{a, b, false, 4, 5 << 12, "traffic.pcap"}, {a, b, false, 4, 6 << 12, "traffic.pcap"}}, ""},
		{"exports, overlapping VLANs", "scopeVLAN: true", func(c *captureFile) { c.exported(x, 1, 5, key); c.exported(x, 2, 6, key) },
			[]told{{a, b, false, 4, 5 << 12, x}, {a, b, false, 4, 6 << 12, x}}, ""},
		{"one exporter's VLANs overlap", "exporters: [{prefix: 198.51.100.7, scope: vlan}, 192.0.2.1]",
			func(c *captureFile) { c.exported(x, 1, 5, key); c.exported("192.0.2.1", 1, 6, key) },
			[]told{{a, b, false, 4, 0, "192.0.2.1"}, {a, b, false, 4, 5 << 12, x}}, ""},
		{"domains overlap", "exporters: [{prefix: 198.51.100.0/24, scope: domain}]",
			func(c *captureFile) { c.exported(x, 1, 0, key); c.exported(x, 2, 0, key) },
			[]told{{a, b, false, 4, 1<<30 | 1, x}, {a, b, false, 4, 1<<30 | 2, x}}, ""},
		{"an exporter's own space", "exporters: [{prefix: 198.51.100.7, scope: 7, name: branch}, 192.0.2.0/24]",
			func(c *captureFile) { c.exported(x, 1, 0, key); c.exported("192.0.2.1", 1, 0, key) },
			[]told{{a, b, false, 4, 0, "192.0.2.1"}, {a, b, false, 4, 7, "branch"}}, ""},
		{"an exporter's sampling and name", "exporters: [{prefix: 198.51.100.7, name: core-1, sampling: 100}]", export, []told{{a, b, false, 400, 0, "core-1"}}, ""},
		{"sampling of exporters that do not say", "sampling: 10", export, []told{{a, b, false, 40, 0, x}}, ""},
		{"who opens in an exporter's records", "exporters: [{prefix: 198.51.100.7, initiator: destination}]",
			func(c *captureFile) { c.oneWay(x, key) }, []told{{b, a, false, 2, 0, x}}, ""},
		{"not admitted", "exporters: [192.0.2.0/24]", func(c *captureFile) { c.exported(x, 1, 0, key); c.exported("192.0.2.1", 1, 0, key) },
			[]told{{a, b, false, 4, 0, "192.0.2.1"}}, "1 unknown-exporter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "config.yaml")
			if err := os.WriteFile(file, []byte("collector: {"+c.config+"}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			traffic := newCaptureFile(t)
			c.traffic(traffic)
			out, _ := bulkhead(t, "--config", file, "--data-dir", dir, "import", traffic.path)
			if !strings.Contains(out, c.dropped) {
				t.Errorf("%q is not in\n%s", c.dropped, out)
			}
			inStore(t, dir, func(s *session) error {
				rs, err := s.store.Flows(t.Context(), store.FlowQuery{})
				rs = slices.DeleteFunc(rs, func(r flow.Record) bool { return r.Key.Proto != flow.TCP })
				if diff := gocmp.Diff(c.want, tell(rs)); diff != "" {
					t.Errorf("records (-want +got):\n%s", diff)
				}
				return err
			})
		})
	}
}

// v4 is 10.0.0.n.
func v4(n byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, n}) }
