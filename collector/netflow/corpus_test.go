package netflow

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// seen is one exported record as both sides of a comparison can write it down.
type seen struct {
	src, dst     netip.Addr
	sport, dport uint16
	proto        uint8
	packets      uint64
	bytes        uint64
	first        int64 // Unix milliseconds; 0 when not compared
}

func (s seen) String() string {
	return fmt.Sprintf("%s:%d>%s:%d/%d %dp %dB %d", s.src, s.sport, s.dst, s.dport, s.proto, s.packets, s.bytes, s.first)
}

func seenOf(r *plan.Row) seen {
	return seen{r.Src.Std(), r.Dst.Std(), r.SrcPort, r.DstPort, r.Proto, r.Packets, r.Bytes, int64(r.First) / 1e6}
}

type datagram struct {
	payload []byte
	from    netip.AddrPort
	at      flow.Time
}

// readDatagrams takes the UDP payloads out of a capture.
func readDatagrams(t testing.TB, path string) []datagram {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []datagram
	for {
		data, ci, err := r.ReadPacketData()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(data, r.LinkType(), gopacket.Default)
		udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		if !ok {
			continue
		}
		src, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Src().Raw())
		out = append(out, datagram{udp.Payload, netip.AddrPortFrom(src, uint16(udp.SrcPort)), flow.TimeOf(ci.Timestamp)})
	}
}

// decodeAll returns the rows of all datagrams, before stitching.
func decodeAll(t testing.TB, ds []datagram) ([]plan.Row, *Decoder) {
	t.Helper()
	var rows []plan.Row
	d := NewDecoder(Options{}, discard{})
	d.observe = func(_ *domain, r *plan.Row) { rows = append(rows, *r) }
	for _, g := range ds {
		if err := d.Datagram(g.payload, g.from, g.at); err != nil {
			t.Fatal(err)
		}
	}
	return rows, d
}

type discard struct{}

func (discard) Records([]flow.Record) error { return nil }

// readCSV reads what nfdump 1.7 writes with -o csv.
func readCSV(t testing.TB, path string) []seen {
	t.Helper()
	var out []seen
	for _, f := range readCSVRows(t, path) {
		first, err := time.ParseInLocation("2006-01-02 15:04:05", f[0], time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		s := seen{src: netip.MustParseAddr(f[3]), dst: netip.MustParseAddr(f[4]), first: first.UnixMilli()}
		s.sport, s.dport = uint16(atoi(f[5])), uint16(atoi(f[6]))
		s.proto, err = flow.ParseProto(strings.TrimSuffix(strings.Replace(f[7], "ICMP6", "ICMPv6", 1), " "))
		if err != nil {
			t.Fatal(err)
		}
		s.packets, s.bytes = atoi(f[11]), atoi(f[12])
		out = append(out, s)
	}
	return out
}

func readCSVRows(t testing.TB, path string) [][]string {
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
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func atoi(s string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
	return n
}

// agreement counts how many of want are in got, each used once, when compared by
// what key keeps of them.
func agreement(want, got []seen, key func(seen) seen) (same int, missing, extra []string) {
	have := map[seen]int{}
	for _, g := range got {
		have[key(g)]++
	}
	for _, w := range want {
		if k := key(w); have[k] > 0 {
			have[k]--
			same++
		} else {
			missing = append(missing, k.String())
		}
	}
	for k, n := range have {
		for range n {
			extra = append(extra, k.String())
		}
	}
	sort.Strings(extra)
	return same, missing, extra
}

// withoutTime ignores the clock, bySecond keeps whole seconds.
func withoutTime(s seen) seen { s.first = 0; return s }
func bySecond(s seen) seen    { s.first -= s.first % 1000; return s }

// TestNfdumpAgrees compares with nfdump's reading of the same datagrams. The
// shares are a line to hold: testdata/corpus-differences.md says why the rest
// differs.
func TestNfdumpAgrees(t *testing.T) {
	testenv.Need(t, "corpus")
	for _, set := range []struct {
		folder, pcap  string
		counts, times int // records that agree in 5-tuple and counters; with start time too
	}{
		{"logstash-vendor-sampler", "pcap", 161, 109},
		{"softflowd-replay", ".", 233, 188},
	} {
		t.Run(set.folder, func(t *testing.T) {
			root := filepath.Join(testenv.Corpus(), set.folder)
			files, _ := filepath.Glob(filepath.Join(root, "expected-nfdump", "*.csv.gz"))
			var counts, times, total int
			for _, f := range files {
				name := strings.TrimSuffix(filepath.Base(f), ".csv.gz")
				want := readCSV(t, f)
				rows, d := decodeAll(t, readDatagrams(t, filepath.Join(root, set.pcap, name+".pcap")))
				got := make([]seen, len(rows))
				for i := range rows {
					got[i] = seenOf(&rows[i])
				}
				same, missing, extra := agreement(want, got, withoutTime)
				timed, _, _ := agreement(want, got, bySecond)
				if plain, missing, extra := agreement(want, got, withoutICMPPorts); plain != len(want) || len(extra) > 0 {
					t.Errorf("%s: %d of %d agree but for ICMP's type and code; missing %v; extra %v", name, plain, len(want), missing, extra)
				}
				counts, times, total = counts+same, times+timed, total+len(want)
				if same < len(want) || len(got) != len(want) || timed < same {
					s := d.Stats()
					t.Logf("%s: %d of %d agree, %d with time; %d decoded; sets %v rows %v; missing %v; extra %v",
						name, same, len(want), timed, len(got), s.SetDrops, s.RowDrops, missing, extra)
				}
			}
			t.Logf("%s: %d of %d records agree in 5-tuple, packets and bytes; %d in start time too", set.folder, counts, total, times)
			if counts < set.counts || times < set.times {
				t.Errorf("%s: agreement fell below %d and %d", set.folder, set.counts, set.times)
			}
		})
	}
}

// TestIPFIXTimesEqualV9 compares the clocks of softflowd's IPFIX and v9 exports of
// the same traffic: one says milliseconds since a boot time that options data
// states, the other since one that each header implies to the second.
func TestIPFIXTimesEqualV9(t *testing.T) {
	testenv.Need(t, "corpus")
	root := filepath.Join(testenv.Corpus(), "softflowd-replay")
	files, _ := filepath.Glob(filepath.Join(root, "*.v10-ipfix.pcap"))
	total := 0
	for _, f := range files {
		ipfix, _ := decodeAll(t, readDatagrams(t, f))
		v9, _ := decodeAll(t, readDatagrams(t, strings.Replace(f, "v10-ipfix", "v9", 1)))
		starts := map[seen][]flow.Time{}
		for i := range v9 {
			k := withoutTime(seenOf(&v9[i]))
			starts[k] = append(starts[k], v9[i].First)
		}
		for i := range ipfix {
			total++
			near := false
			for _, s := range starts[withoutTime(seenOf(&ipfix[i]))] {
				near = near || ipfix[i].First.Sub(s).Abs() <= 1100*time.Millisecond
			}
			if !near {
				t.Errorf("%s: %v starts %v, v9 has %v", filepath.Base(f), seenOf(&ipfix[i]), ipfix[i].First.Std(), starts[withoutTime(seenOf(&ipfix[i]))])
			}
		}
	}
	if total < 80 {
		t.Errorf("only %d records compared", total)
	}
}
