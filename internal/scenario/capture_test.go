package scenario_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

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
		if sum(1) != sum(1) {
			t.Errorf("%s: one seed gives two files", name)
		}
		if sum(1) == sum(2) {
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

// Packets and bytes over all exported records, as tshark decodes them, are those
// of the flows.
func TestTsharkReadsTheExports(t *testing.T) {
	testenv.Need(t, "tshark")
	e := generate(t, small)
	var packets, octets uint64
	if err := e.Flows(func(r flow.Record) error {
		packets += r.ClientPackets + r.ServerPackets
		octets += r.ClientBytes + r.ServerBytes
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"netflow9", "ipfix"} {
		path := writeFile(t, e, writers[name])
		out, err := exec.Command("tshark", "-r", path, "-d", "udp.port==2055,cflow", "-d", "udp.port==4739,cflow", "-T", "fields",
			"-e", "cflow.packets", "-e", "cflow.octets", "-e", "cflow.srcaddr", "-e", "cflow.srcaddrv6").Output()
		if err != nil {
			t.Fatal(err)
		}
		gotPackets, gotOctets := sumColumn(string(out), 0), sumColumn(string(out), 1)
		// ICMP errors are packets of their own for a router.
		if gotPackets < packets || gotPackets > packets+packets/100 || gotOctets < octets || gotOctets > octets+octets/100 {
			t.Errorf("%s: tshark adds up %d packets and %d bytes, flows say %d and %d", name, gotPackets, gotOctets, packets, octets)
		}
	}
}

// A sampling switch exports about one frame in rate, cut but intact.
func TestTsharkReadsTheSamples(t *testing.T) {
	testenv.Need(t, "tshark")
	e := generate(t, small)
	frames, samples := 0, 0
	eachFrame(t, e, writers["pcap"], func(flow.Time, []byte) { frames++ })
	path := writeFile(t, e, writers["sflow"])
	out, err := exec.Command("tshark", "-r", path, "-T", "fields", "-e", "sflow_245.numsamples", "-e", "sflow.flow_sample.sampling_rate").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		cols := strings.Split(line, "\t")
		n, err := strconv.Atoi(cols[0])
		if err != nil || strings.Count(cols[1], "100") != n {
			t.Fatalf("tshark reads %q", line)
		}
		samples += n
	}
	if lo, hi := frames/130, frames/80; samples < lo || samples > hi {
		t.Errorf("%d samples of %d frames at 1 in 100", samples, frames)
	}
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
