package scenario_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

var writers = map[string]func(*scenario.Estate, io.Writer) error{
	"pcap":     (*scenario.Estate).WritePcap,
	"netflow9": (*scenario.Estate).WriteNetFlow9,
	"ipfix":    (*scenario.Estate).WriteIPFIX,
	"netflow5": (*scenario.Estate).WriteNetFlow5,
	"sflow": func(e *scenario.Estate, w io.Writer) error {
		return e.WriteSFlow(w, 100, scenario.Capture{})
	},
	"ipfix, two routers": func(e *scenario.Estate, w io.Writer) error {
		return e.WriteExport(w, scenario.IPFIX, scenario.Capture{Routers: 2})
	},
	"capture from mid-stream on": func(e *scenario.Estate, w io.Writer) error {
		return e.WriteCapture(w, scenario.Capture{MidStream: 0.5})
	},
}

var small = scenario.Options{Workloads: 200, Days: 1, Rate: 0.5}

func TestSameSeedSameBytes(t *testing.T) {
	for name, write := range writers {
		sum := func(seed uint64) [32]byte {
			o := small
			o.Seed = seed
			h := sha256.New()
			if err := write(generate(t, o), h); err != nil {
				t.Fatal(err)
			}
			return [32]byte(h.Sum(nil))
		}
		one, again, other := sum(1), sum(1), sum(2)
		if one != again {
			t.Errorf("%s: one seed gives two files", name)
		}
		if one == other {
			t.Errorf("%s: two seeds give one file", name)
		}
	}
}

// The capture has exactly the packets and bytes that the flows say.
func TestCaptureAddsUpToFlows(t *testing.T) {
	e := generate(t, small)
	var wantPackets, wantBytes uint64
	if err := e.Flows(func(r flow.Record) error {
		wantPackets += r.ClientPackets + r.ServerPackets
		wantBytes += r.ClientBytes + r.ServerBytes
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var packets, octets uint64
	last := flow.Time(0)
	eachFrame(t, e, (*scenario.Estate).WritePcap, func(at flow.Time, frame []byte) {
		if at < last {
			t.Fatalf("packet %d goes back in time", packets)
		}
		last = at
		if ip := frame[18:]; ip[0]>>4 == 4 {
			if ip[9] == 1 && ip[20] == 3 {
				return // ICMP errors belong to no flow of their own
			}
			octets += uint64(binary.BigEndian.Uint16(ip[2:]))
		} else {
			octets += 40 + uint64(binary.BigEndian.Uint16(ip[4:]))
		}
		packets++
	})
	if packets != wantPackets || octets != wantBytes {
		t.Errorf("capture has %d packets and %d bytes, flows say %d and %d", packets, octets, wantPackets, wantBytes)
	}
}

// eachFrame writes a file and walks its frames.
func eachFrame(t testing.TB, e *scenario.Estate, write func(*scenario.Estate, io.Writer) error, f func(flow.Time, []byte)) {
	t.Helper()
	var file bytes.Buffer
	if err := write(e, &file); err != nil {
		t.Fatal(err)
	}
	for b := file.Bytes()[24:]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b[8:])
		f(flow.Time(binary.LittleEndian.Uint32(b))*1e9+flow.Time(binary.LittleEndian.Uint32(b[4:]))*1e3, b[16:16+n])
		b = b[16+n:]
	}
}

func writeFile(t *testing.T, e *scenario.Estate, write func(*scenario.Estate, io.Writer) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "estate.pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := write(e, f); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTsharkFindsNothingWrong(t *testing.T) {
	testenv.Need(t, "tshark")
	path := writeFile(t, generate(t, small), (*scenario.Estate).WritePcap)
	out, err := exec.Command("tshark", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-Y", "ip.checksum.status==0 || tcp.checksum.status==0 || udp.checksum.status==0 || icmp.checksum.status==0 || tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || tcp.analysis.out_of_order || _ws.malformed && (dns || tls || http || dhcp || ntp)",
	).Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(out) > 0 {
		t.Errorf("tshark complains:\n%.2000s", out)
	}
}

// Names must be readable by somebody else than us.
func TestTsharkReadsTheNames(t *testing.T) {
	testenv.Need(t, "tshark")
	e := generate(t, small)
	path := writeFile(t, e, (*scenario.Estate).WritePcap)
	kinds := []flow.NameKind{flow.NameDNS, flow.NameSNI, flow.NameHTTP, flow.NameDHCP}
	args := []string{"-r", path, "-Y", "dns || tls.handshake.extensions_server_name || http.host || dhcp", "-T", "fields"}
	for _, field := range []string{"dns.resp.name", "tls.handshake.extensions_server_name", "http.host", "dhcp.option.hostname"} {
		args = append(args, "-e", field)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	type sighting struct {
		kind flow.NameKind
		name string
	}
	got, want := map[sighting]bool{}, map[sighting]bool{}
	for _, line := range strings.Split(string(out), "\n") {
		for i, name := range strings.Split(line, "\t") {
			if name != "" {
				got[sighting{kinds[i], name}] = true
			}
		}
	}
	for _, n := range e.Names() {
		want[sighting{n.Kind, n.Name}] = true
	}
	if diff := gocmp.Diff(want, got); diff != "" || len(want) < 50 {
		t.Errorf("%d names (-Names +tshark):\n%s", len(want), diff)
	}
}

// total adds up a capture: frames and their layer 3 bytes, IPv6 apart.
type total struct{ packets, bytes, packets6, bytes6 uint64 }

func totalOf(t *testing.T, e *scenario.Estate) (n total) {
	t.Helper()
	eachFrame(t, e, (*scenario.Estate).WritePcap, func(_ flow.Time, frame []byte) {
		if ip := frame[18:]; ip[0]>>4 == 4 {
			n.packets++
			n.bytes += uint64(binary.BigEndian.Uint16(ip[2:]))
		} else {
			n.packets6++
			n.bytes6 += 40 + uint64(binary.BigEndian.Uint16(ip[4:]))
		}
	})
	return n
}

// The exports tell of exactly the packets and bytes that the capture holds.
func TestTsharkReadsTheExports(t *testing.T) {
	testenv.Need(t, "tshark")
	e := generate(t, small)
	want := totalOf(t, e)
	for _, name := range []string{"netflow9", "ipfix"} {
		out, err := exec.Command("tshark", "-r", writeFile(t, e, writers[name]), "-d", "udp.port==2055,cflow", "-d", "udp.port==4739,cflow", "-T", "fields",
			"-e", "cflow.packets", "-e", "cflow.octets").Output()
		if err != nil {
			t.Fatal(err)
		}
		packets, octets := sumColumn(string(out), 0), sumColumn(string(out), 1)
		if packets != want.packets+want.packets6 || octets != want.bytes+want.bytes6 {
			t.Errorf("%s: tshark adds up %d packets and %d bytes, the capture holds %+v", name, packets, octets, want)
		}
	}
}

// So says nfdump, which keeps what nfcapd received.
func TestNfdumpReadsTheExports(t *testing.T) {
	testenv.Need(t, "nfcapd", "nfdump")
	e := generate(t, small)
	want := totalOf(t, e)
	for name, v6 := range map[string]bool{"netflow9": true, "ipfix": true, "netflow5": false} {
		packets, octets := want.packets, want.bytes
		if v6 {
			packets, octets = packets+want.packets6, octets+want.bytes6
		}
		stats := nfdump(t, e, writers[name])
		if stats["Packets"] != packets || stats["Bytes"] != octets {
			t.Errorf("%s: nfdump has %d packets and %d bytes, want %d and %d", name, stats["Packets"], stats["Bytes"], packets, octets)
		}
	}
}

// nfdump sends an export to nfcapd on loopback and returns what nfdump counts.
func nfdump(t *testing.T, e *scenario.Estate, write func(*scenario.Estate, io.Writer) error) map[string]uint64 {
	t.Helper()
	probe, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.LocalAddr().(*net.UDPAddr)
	probe.Close()
	dir := t.TempDir()
	cmd := exec.Command("nfcapd", "-b", "127.0.0.1", "-p", strconv.Itoa(addr.Port), "-w", dir, "-t", "3600", "-B", "8000000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp4", nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	awaitSocket(t, addr.Port, func(queued bool) bool { return true }) // it says nowhere when it listens
	sent := 0
	eachFrame(t, e, write, func(_ flow.Time, frame []byte) {
		if _, err := conn.Write(frame[18+20+8:]); err != nil {
			t.Fatal(err)
		}
		if sent++; sent%200 == 0 {
			awaitSocket(t, addr.Port, func(queued bool) bool { return !queued })
		}
	})
	awaitSocket(t, addr.Port, func(queued bool) bool { return !queued })
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("nfdump", "-R", dir, "-I").Output()
	if err != nil {
		t.Fatal(err)
	}
	stats := map[string]uint64{}
	for _, line := range strings.Split(string(out), "\n") {
		key, value, _ := strings.Cut(line, ": ")
		if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64); err == nil {
			stats[key] = n
		}
	}
	return stats
}

// awaitSocket waits until a UDP port is bound and its queue is as wanted (proc(5),
// /proc/net/udp).
func awaitSocket(t *testing.T, port int, ready func(queued bool) bool) {
	t.Helper()
	local := fmt.Sprintf("0100007F:%04X", port)
	for range 6000 { // a minute
		b, err := os.ReadFile("/proc/net/udp")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(b), "\n") {
			if f := strings.Fields(line); len(f) > 4 && f[1] == local && f[2] == "00000000:0000" && ready(!strings.HasSuffix(f[4], ":00000000")) {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nfcapd on port %d is not ready", port)
}

func sumColumn(table string, column int) (n uint64) {
	for _, line := range strings.Split(strings.TrimSpace(table), "\n") {
		cols := strings.Split(line, "\t")
		for _, v := range strings.Split(cols[column], ",") {
			x, _ := strconv.ParseUint(v, 10, 64)
			n += x
		}
	}
	return n
}

func TestCapinfosCountsThePackets(t *testing.T) {
	testenv.Need(t, "capinfos")
	e := generate(t, small)
	n := 0
	eachFrame(t, e, (*scenario.Estate).WritePcap, func(flow.Time, []byte) { n++ })
	out, err := exec.Command("capinfos", "-Mc", writeFile(t, e, (*scenario.Estate).WritePcap)).Output()
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`Number of packets:\s+(\d+)`).FindSubmatch(out)
	if m == nil || string(m[1]) != strconv.Itoa(n) {
		t.Errorf("capinfos says %q, want %d packets", out, n)
	}
}
