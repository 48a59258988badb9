package collector_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// tuple is a flow as a reference tool names it: source first.
type tuple struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
	proto            uint8
}

func (t tuple) reverse() tuple {
	return tuple{t.dst, t.src, t.dstPort, t.srcPort, t.proto}
}

// counts are packets and layer 3 bytes each way; layer 2 where the reference
// counts that.
type counts struct{ srcPackets, dstPackets, srcBytes, dstBytes uint64 }

func (c counts) reverse() counts {
	return counts{c.dstPackets, c.srcPackets, c.dstBytes, c.srcBytes}
}

func (c counts) plus(o counts) counts {
	return counts{c.srcPackets + o.srcPackets, c.dstPackets + o.dstPackets, c.srcBytes + o.srcBytes, c.dstBytes + o.dstBytes}
}

// expected is one row of a reference.
type expected struct {
	file, baseline string
	tuple
	counts
}

// seen is what we make of a file: per tuple, as records say and with frame
// lengths instead of layer 3 bytes.
type seen struct {
	flows  map[tuple]counts // client first
	layer2 map[tuple]counts // sender of the first packet first
}

func study(t *testing.T, path string) seen {
	t.Helper()
	var k kept
	// The references count frames that are copies of others, too; see the next test.
	o := collector.Options{Assemble: assemble.Options{Seed: 1, CountCopies: true}, WithoutExports: true}
	if _, err := collector.Import(context.Background(), path, o, &k); err != nil {
		t.Logf("%s: %v", path, err)
	}
	s := seen{flows: map[tuple]counts{}, layer2: map[tuple]counts{}}
	for _, r := range k.records {
		tu := tuple{r.Key.Client, r.Key.Server, r.Key.ClientPort, r.Key.ServerPort, r.Key.Proto}.plain()
		add(s.flows, tu, counts{r.ClientPackets, r.ServerPackets, r.ClientBytes, r.ServerBytes})
	}
	s.frames(path)
	return s
}

// add merges c into m under tu or its reverse, whichever is there.
func add(m map[tuple]counts, tu tuple, c counts) {
	if _, ok := m[tu.reverse()]; ok {
		tu, c = tu.reverse(), c.reverse()
	}
	m[tu] = m[tu].plus(c)
}

// plain leaves ports to TCP and UDP: references disagree on what stands for them
// elsewhere.
func (t tuple) plain() tuple {
	if t.proto != flow.TCP && t.proto != flow.UDP {
		t.srcPort, t.dstPort = 0, 0
	}
	return t
}

// frames sums frame lengths per tuple with nothing but the walk. As in the
// references, what a packet was cut into counts as the packet it was.
func (s *seen) frames(path string) {
	r, err := capture.Open(path)
	if err != nil {
		return
	}
	defer r.Close()
	type piece struct {
		src, dst capture.Addr
		id       uint32
	}
	first, early := map[piece]tuple{}, map[piece]uint64{}
	var w capture.Walker
	var f capture.Frame
	var p capture.Packet
	for r.Next(&f) == nil {
		if w.Walk(&f, &p) != flow.DropNone {
			continue
		}
		at := piece{p.Src, p.Dst, p.FragID}
		tu := tuple{p.Src.Netip(), p.Dst.Netip(), p.SrcPort, p.DstPort, p.Proto}.plain()
		c := counts{srcPackets: 1, srcBytes: uint64(f.Length)}
		switch p.Fragment {
		case capture.FirstFragment:
			first[at] = tu
			c.srcBytes += early[at]
			delete(early, at)
		case capture.LaterFragment:
			known, ok := first[at]
			if !ok {
				early[at] += uint64(p.Bytes)
				continue
			}
			tu, c = known, counts{srcBytes: uint64(p.Bytes)}
		}
		add(s.layer2, tu, c)
	}
	for tu := range s.flows { // turn to the direction we decided
		if c, ok := s.layer2[tu.reverse()]; ok && tu != tu.reverse() {
			delete(s.layer2, tu.reverse())
			s.layer2[tu] = c.reverse()
		}
	}
}

// verdict is how a reference's row compares.
type verdict string

const (
	agrees   verdict = "agrees"
	reversed verdict = "reversed"
	sides    verdict = "sides exchanged"
	differs  verdict = "counters differ"
	absent   verdict = "not found"
)

// inRecords says whether what v says of the frames of e holds for the packets in our
// records.
func (s *seen) inRecords(v verdict, e expected, frames counts) verdict {
	c, ok := s.flows[e.tuple]
	if !ok {
		c = s.flows[e.tuple.reverse()]
	}
	if c.srcPackets != frames.srcPackets || c.dstPackets != frames.dstPackets {
		return differs
	}
	return v
}

func compare(e expected, have map[tuple]counts) (verdict, counts) {
	if c, ok := have[e.tuple]; ok {
		if c == e.counts {
			return agrees, c
		}
		if c.reverse() == e.counts {
			return sides, c
		}
		return differs, c
	}
	if c, ok := have[e.tuple.reverse()]; ok {
		if c.reverse() == e.counts {
			return reversed, c
		}
		return differs, c.reverse()
	}
	return absent, counts{}
}

// differences is the table of what is known to differ from the references, and why.
const differences = "testdata/corpus-differences.md"

// explained reads how many rows of which file differ, by "source/file".
func explained(t *testing.T) map[string]int {
	t.Helper()
	b, err := os.ReadFile(differences)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]int{}
	for _, line := range strings.Split(string(b), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 6 {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(cells[3])); err == nil {
			known[strings.TrimSpace(cells[1])+"/"+strings.TrimSpace(cells[2])] += n
		}
	}
	return known
}

// Flows of the corpus equal what Arkime, Zeek and ipfixprobe made of the same
// captures, in addresses, ports, packets, bytes and direction, except those that
// the table of differences explains one by one.
func TestCorpusFlowsEqualTheReferences(t *testing.T) {
	testenv.Need(t, "corpus")
	known := explained(t)
	for _, ref := range []struct {
		name   string
		rows   []expected
		layer2 bool
	}{{"arkime", arkime(t), true}, {"zeek-btest", zeek(t), false}, {"ipfixprobe", ipfixprobe(t), false}} {
		cache := map[string]seen{}
		tally := map[verdict]int{}
		differing := map[string][]string{}
		var tcpudp, exact float64
		rows := gather(ref.rows)
		for _, e := range rows {
			s, ok := cache[e.file]
			if !ok {
				s = study(t, filepath.Join(testenv.Corpus(), ref.name, e.file))
				cache[e.file] = s
			}
			have := s.flows
			if ref.layer2 {
				have = s.layer2
			}
			v, c := compare(e, have)
			if ref.layer2 && v != absent {
				v = s.inRecords(v, e, c)
			}
			tally[v]++
			if e.proto == flow.TCP || e.proto == flow.UDP {
				tcpudp++
				if v == agrees || v == reversed || v == sides {
					exact++
				}
			}
			if v != agrees {
				name := ref.name + "/" + e.file
				differing[name] = append(differing[name], fmt.Sprintf("%s: %s %v want %v got %v", name, v, e.tuple, e.counts, c))
			}
		}
		for name, what := range differing {
			if known[name] != len(what) {
				t.Errorf("%d differences, %d explained:\n%s", len(what), known[name], strings.Join(what, "\n"))
			}
			delete(known, name)
		}
		t.Logf("%s: %d of %d flows agree in all (%.1f %%), %v; TCP and UDP exact in packets and bytes: %.1f %% of %.0f",
			ref.name, tally[agrees], len(rows), 100*float64(tally[agrees])/float64(len(rows)), tally, 100*exact/tcpudp, tcpudp)
	}
	for name, n := range known {
		t.Errorf("%s: %d differences explained that are not there", name, n)
	}
}

// Some captures hold packets twice: as a mirror of both directions shows them, before
// and behind a router (with another VLAN or MAC address and a hop less to live), or
// sent again by a wireless link. They count once.
func TestCopiesInTheCorpusCountOnce(t *testing.T) {
	testenv.Need(t, "corpus")
	for path, want := range map[string]uint64{
		"zeek-btest/traces/http/m57-long-49600-80.pcap": 26, // of 52
		"arkime/http-post-upload.pcap":                  17, // of 34
		"arkime/oracle.pcap":                            2,
		"arkime/80211http.pcap":                         1,
		"ipfixprobe/inputs/mixed.pcap":                  0,
	} {
		var k kept
		s, err := collector.Import(context.Background(), filepath.Join(testenv.Corpus(), path), collector.Options{}, &k)
		if err != nil {
			t.Error(err)
		}
		if got := s.Assemble.Drops[flow.DropDuplicate]; got != want {
			t.Errorf("%s: %d copies of %d packets, want %d", path, got, s.Assemble.Packets, want)
		}
	}
}

func (t tuple) String() string {
	return fmt.Sprintf("%s %s:%d > %s:%d", flow.ProtoName(t.proto), t.src, t.srcPort, t.dst, t.dstPort)
}

// Every capture of the corpus, the malformed ones too, goes through all stages
// without a panic of ours, and its counters add up.
func TestCorpusCountersAddUp(t *testing.T) {
	testenv.Need(t, "corpus")
	files, records, names := 0, 0, 0
	err := filepath.WalkDir(testenv.Corpus(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".pcap") && !strings.HasSuffix(d.Name(), ".trace") {
			return err
		}
		var k kept
		s, err := collector.Import(context.Background(), path, collector.Options{Assemble: assemble.Options{Capacity: 4096}}, &k)
		var damaged *capture.FileError
		if err != nil && !errors.As(err, &damaged) {
			t.Errorf("%s: %v", path, err)
		}
		balanced(t, s, &k)
		if s.Names.Panics > 0 {
			t.Errorf("%s: %d panics", path, s.Names.Panics)
		}
		files, records, names = files+1, records+len(k.records), names+len(k.names)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d captures, %d records, %d names", files, records, names)
	if files < 1000 || names < 100 {
		t.Errorf("only %d captures and %d names", files, names)
	}
}
