package netflow

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// tsharkSamples has tshark list the addresses and ports of the packets sampled in
// one sFlow datagram, outermost first; the datagram's own come before them.
func tsharkSamples(t *testing.T, payload []byte) (srcs, dsts, ports []string) {
	t.Helper()
	path := writeCapture(t, [][]byte{payload}, 6343)
	out, err := exec.Command("tshark", "-r", path, "-d", "udp.port==6343,sflow", "-T", "fields",
		"-e", "ip.src", "-e", "ipv6.src", "-e", "ip.dst", "-e", "ipv6.dst",
		"-e", "tcp.srcport", "-e", "udp.srcport", "-e", "tcp.dstport", "-e", "udp.dstport").Output()
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Split(strings.TrimSuffix(string(out), "\n"), "\t")
	list := func(i ...int) (all []string) {
		for _, i := range i {
			if f[i] != "" {
				all = append(all, strings.Split(f[i], ",")...)
			}
		}
		return all
	}
	return list(0, 1), list(2, 3), list(4, 5, 6, 7)
}

// TestTsharkAgreesOnSamples compares the packets inside sFlow samples with
// tshark's reading of them: addresses and ports.
func TestTsharkAgreesOnSamples(t *testing.T) {
	testenv.Need(t, "corpus", "tshark")
	t.Parallel()
	files, _ := filepath.Glob(filepath.Join(testenv.Corpus(), "cistern-sflow", "*.dump"))
	more, _ := filepath.Glob(filepath.Join(testenv.Corpus(), "telegraf-netflow", "sflow*", "*.bin"))
	packets := 0
	for _, path := range append(files, more...) {
		load := readFile(t, path)
		srcs, dsts, ports := tsharkSamples(t, load)
		gotSrcs, gotDsts := []string{"192.0.2.1"}, []string{"192.0.2.2"}
		gotPorts := []string{"40000", "6343"}
		rows, d := decodeAll(t, []datagram{{load, netip.MustParseAddrPort("192.0.2.1:6343"), flow.Time(1e9)}})
		for i := range rows {
			r := &rows[i]
			packets++
			gotSrcs, gotDsts = append(gotSrcs, r.Src.Std().String()), append(gotDsts, r.Dst.Std().String())
			if flow.HasPorts(r.Proto) {
				gotPorts = append(gotPorts, fmt.Sprint(r.SrcPort), fmt.Sprint(r.DstPort))
			}
		}
		want, got := [][]string{srcs, dsts, ports}, [][]string{gotSrcs, gotDsts, gotPorts}
		for i := range want {
			slices.Sort(want[i])
			slices.Sort(got[i])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-tshark +got):\n%s", filepath.Base(path), diff)
		}
		s := d.Stats()
		if s.Sets != s.DataSets+s.SetDrops[flow.DropNoFlow] || s.DatagramDrops.Total() != 0 {
			t.Errorf("%s: dropped: %v %v %s", filepath.Base(path), s.DatagramDrops, s.SetDrops, s.Exporters[0].LastError)
		}
	}
	if packets != 12 {
		t.Errorf("%d sampled packets, want 12", packets)
	}
}

// TestTelegrafAgreesOnSampleSizes compares layer 3 sizes and sampling rates.
func TestTelegrafAgreesOnSampleSizes(t *testing.T) {
	testenv.Need(t, "corpus")
	dir := filepath.Join(testenv.Corpus(), "telegraf-netflow", "sflow_issue_15918")
	var want, got []string
	for line := range strings.Lines(string(readFile(t, filepath.Join(dir, "expected.out")))) {
		m := map[string]string{}
		_, fields, _ := strings.Cut(line, " ")
		for _, kv := range splitFields(fields) {
			k, v, _ := strings.Cut(kv, "=")
			m[k] = strings.Trim(v, `"u`)
		}
		if m["ipv4_total_len"] != "" {
			want = append(want, fmt.Sprint(m["src"], " ", m["dst"], " ", m["ipv4_total_len"], " ", m["sampling_interval"]))
		}
	}
	rows, _ := decodeAll(t, []datagram{{readFile(t, filepath.Join(dir, "message.bin")), netip.MustParseAddrPort("192.0.2.1:6343"), 1}})
	for i := range rows {
		if rows[i].Src.Is4() {
			got = append(got, fmt.Sprint(rows[i].Src.Std(), " ", rows[i].Dst.Std(), " ", rows[i].Bytes, " ", rows[i].Sampling))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-telegraf +got):\n%s", diff)
	}
}
