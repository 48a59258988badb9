package netflow

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// tsharkRecords finds the flow records in what tshark -T json
// --no-duplicate-keys prints: every object with a source and a destination.
func tsharkRecords(v any) (out []seen) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			out = append(out, tsharkRecords(e)...)
		}
	case map[string]any:
		if s, ok := tsharkRecord(v); ok {
			return []seen{s}
		}
		for _, e := range v {
			out = append(out, tsharkRecords(e)...)
		}
	}
	return out
}

func tsharkRecord(m map[string]any) (seen, bool) {
	text := func(keys ...string) string {
		for _, k := range keys {
			if s, ok := m["cflow."+k].(string); ok && s != "0.0.0.0" && s != "::" {
				return s
			}
		}
		return ""
	}
	number := func(keys ...string) uint64 { n, _ := strconv.ParseUint(text(keys...), 10, 64); return n }
	src, dst := text("srcaddr", "srcaddrv6"), text("dstaddr", "dstaddrv6")
	if src == "" && dst == "" || text("protocol") == "" {
		return seen{}, false
	}
	s := seen{proto: uint8(number("protocol")), packets: number("packets", "packets64"), bytes: number("octets", "octets64", "permanent_octets")}
	s.src, s.dst = parseAny(src, dst), parseAny(dst, src)
	s.sport, s.dport = uint16(number("srcport")), uint16(number("dstport"))
	return s, true
}

// parseAny reads a, or gives the unspecified address of b's family.
func parseAny(a, b string) netip.Addr {
	if a != "" {
		return netip.MustParseAddr(a)
	}
	if strings.Contains(b, ":") {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// withoutICMPPorts ignores time, and the ports of ICMP, which tshark shows in
// several ways.
func withoutICMPPorts(s seen) seen {
	s.first = 0
	if s.proto == flow.ICMP || s.proto == flow.ICMPv6 {
		s.sport, s.dport = 0, 0
	}
	return s
}

func rowsSeen(t testing.TB, ds []datagram) []seen {
	rows, _ := decodeAll(t, ds)
	got := make([]seen, len(rows))
	for i := range rows {
		got[i] = seenOf(&rows[i])
	}
	return got
}

func TestTsharkAgrees(t *testing.T) {
	testenv.Need(t, "corpus")
	root := filepath.Join(testenv.Corpus(), "logstash-vendor-sampler")
	files, _ := filepath.Glob(filepath.Join(root, "expected-tshark", "*.json.gz"))
	var same, total int
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json.gz")
		if strings.Contains(name, "invalid") {
			continue // damaged on purpose: it announces 55,582 records; tshark reads on, nfdump and we refuse it
		}
		want := tsharkRecords(readJSON(t, path))
		got := rowsSeen(t, readDatagrams(t, filepath.Join(root, "pcap", name+".pcap")))
		n, missing, extra := agreement(want, got, withoutICMPPorts)
		same, total = same+n, total+len(want)
		if n < len(want) || len(extra) > 0 {
			t.Logf("%s: %d of %d agree; missing %v; extra %v", name, n, len(want), missing, extra)
		}
	}
	t.Logf("%d of %d records agree with tshark in 5-tuple, packets and bytes", same, total)
	if same < total || total < 162 {
		t.Errorf("agreement fell below 162 of 162")
	}
}

func readJSON(t testing.TB, path string) (v any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// writeCapture puts payloads into a capture as UDP datagrams to port.
func writeCapture(t testing.TB, payloads [][]byte, port uint16) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exports.pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for i, p := range payloads {
		eth := &layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: layers.EthernetTypeIPv4}
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{192, 0, 2, 1}, DstIP: net.IP{192, 0, 2, 2}}
		udp := &layers.UDP{SrcPort: 40000, DstPort: layers.UDPPort(port)}
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		buf := gopacket.NewSerializeBuffer()
		opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		if err := gopacket.SerializeLayers(buf, opts, eth, ip, udp, gopacket.Payload(p)); err != nil {
			t.Fatal(err)
		}
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(1_600_000_000+int64(i), 0), CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}
		if err := w.WritePacket(ci, buf.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// runTshark has the installed tshark read a capture.
func runTshark(t testing.TB, path, decode string) (v any) {
	t.Helper()
	out, err := exec.Command("tshark", "-r", path, "-d", decode, "-T", "json", "--no-duplicate-keys").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&v); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return v
}

// TestTsharkAgreesOnLooseDatagrams covers the folders that hold bare datagrams
// without expected records.
func TestTsharkAgreesOnLooseDatagrams(t *testing.T) {
	testenv.Need(t, "corpus", "tshark")
	t.Parallel()
	fluent := func(names ...string) (out [][]byte) {
		for _, n := range names {
			out = append(out, readFile(t, filepath.Join(testenv.Corpus(), "fluent-plugin-netflow", "netflow."+n+".dump")))
		}
		return out
	}
	for _, c := range []struct {
		name    string
		load    [][]byte
		records int
	}{
		{"v5", fluent("v5"), 1},
		{"v9", fluent("v9.template", "v9"), 1},
		{"v9, milliseconds", fluent("v9.template.flowStartMilliseconds", "v9.flowStartMilliseconds"), 1},
		{"v9, MPLS", fluent("v9.mpls-template", "v9.mpls-data"), 1},
		{"v9, sampler", fluent("v9.sampler_template", "v9.sampler"), 0},
		{"v9, changed template", fluent("v9.template", "v9.template.as2", "v9"), 1},
	} {
		path := writeCapture(t, c.load, 2055)
		want := tsharkRecords(runTshark(t, path, "udp.port==2055,cflow"))
		got := rowsSeen(t, readDatagrams(t, path))
		n, missing, extra := agreement(want, got, withoutICMPPorts)
		if len(missing) > 0 || len(extra) > 0 || n != c.records {
			t.Errorf("%s: %d agree, want %d; missing %v; extra %v", c.name, n, c.records, missing, extra)
		}
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// telegrafRecords reads the influx lines of an expected.out that describe flows.
func telegrafRecords(t testing.TB, path string) (out []seen) {
	t.Helper()
	for line := range strings.Lines(string(readFile(t, path))) {
		parts := strings.SplitN(line, " ", 2)
		if len(parts) < 2 || !strings.HasPrefix(parts[0], "netflow,") {
			continue
		}
		m := map[string]string{}
		for _, kv := range splitFields(parts[1]) {
			k, v, _ := strings.Cut(kv, "=")
			m[k] = strings.Trim(v, `"`)
		}
		src, dst := m["src"], m["dst"]
		if src == "" || dst == "" {
			continue
		}
		number := func(keys ...string) uint64 {
			for _, k := range keys {
				if v, ok := m[k]; ok {
					return atoi(strings.TrimSuffix(v, "u"))
				}
			}
			return 0
		}
		proto, err := flow.ParseProto(strings.Replace(m["protocol"], "ipv6-icmp", "icmpv6", 1))
		if err != nil {
			t.Fatalf("%s: %v in %q", path, err, line)
		}
		out = append(out, seen{
			src: netip.MustParseAddr(src), dst: netip.MustParseAddr(dst), proto: proto,
			sport: uint16(number("src_port")), dport: uint16(number("dst_port")),
			packets: number("in_packets", "in_total_packets"), bytes: number("in_bytes", "in_total_bytes"),
			first: int64(number("flow_start_ms")),
		})
	}
	return out
}

// splitFields splits at commas outside quotes, and ends at the time stamp.
func splitFields(s string) (out []string) {
	quoted, start := false, 0
	for i, c := range s {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',':
			out, start = append(out, s[start:i]), i+1
		case c == ' ' || c == '\n':
			return append(out, s[start:i])
		}
	}
	return append(out, s[start:])
}

func TestTelegrafAgrees(t *testing.T) {
	testenv.Need(t, "corpus")
	var same, total int
	cases, _ := filepath.Glob(filepath.Join(testenv.Corpus(), "telegraf-netflow", "*", "expected.out"))
	for _, path := range cases {
		dir := filepath.Dir(path)
		if strings.HasPrefix(filepath.Base(dir), "sflow") {
			continue // packets, not records: see sflow_test.go
		}
		files, _ := filepath.Glob(filepath.Join(dir, "*.bin"))
		var ds []datagram
		for i, f := range files {
			ds = append(ds, datagram{readFile(t, f), netip.MustParseAddrPort("192.0.2.1:40000"), flow.Time(i+1) * 1e9})
		}
		want, got := telegrafRecords(t, path), rowsSeen(t, ds)
		n, missing, extra := agreement(want, got, func(s seen) seen {
			s = withoutICMPPorts(s)
			return s
		})
		if n < len(want) || len(got) != len(want) {
			t.Logf("%s: %d of %d agree, %d decoded; missing %v; extra %v", filepath.Base(dir), n, len(want), len(got), missing, extra)
		}
		same, total = same+n, total+len(want)
		if bad := wrongStarts(want, got); bad != "" {
			t.Errorf("%s: %s", filepath.Base(dir), bad)
		}
	}
	t.Logf("%d of %d records agree with telegraf in 5-tuple, packets and bytes", same, total)
	if same < total || total == 0 {
		t.Errorf("agreement fell below all")
	}
}

// wrongStarts compares start times in milliseconds where telegraf gives them.
func wrongStarts(want, got []seen) string {
	starts := map[seen][]int64{}
	for _, g := range got {
		k := withoutICMPPorts(g)
		starts[k] = append(starts[k], g.first)
	}
	for _, w := range want {
		if w.first == 0 {
			continue
		}
		found := false
		for _, f := range starts[withoutICMPPorts(w)] {
			found = found || f == w.first
		}
		if !found {
			return fmt.Sprintf("start of %v: got %v", w, starts[withoutICMPPorts(w)])
		}
	}
	return ""
}
