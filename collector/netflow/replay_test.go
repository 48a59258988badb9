package netflow_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// edge is where a dependency is in a map.
type edge struct {
	client, server netip.Addr
	service        flow.Service
}

func (e edge) String() string { return fmt.Sprintf("%v > %v %v", e.client, e.server, e.service) }

// told is what a map says of an edge: what became of its flows, a bit for each
// outcome, and packets and layer 3 bytes each way.
type told struct {
	outcomes       uint
	packets, bytes [2]uint64 // of the client, of the server
}

// imported is the map of a capture or of the exports in one, as a user gets it.
func imported(t *testing.T, path string) map[edge]told {
	t.Helper()
	var g tap
	if _, err := collector.Import(context.Background(), path, collector.Options{}, &g); err != nil {
		t.Fatal(err)
	}
	out := map[edge]told{}
	for i := range g.records {
		r := &g.records[i]
		at := edge{r.Key.Client, r.Key.Server, r.Key.Service()}
		e := out[at]
		e.outcomes |= 1 << r.Outcome
		e.packets[0] += r.ClientPackets
		e.packets[1] += r.ServerPackets
		e.bytes[0] += r.ClientBytes
		e.bytes[1] += r.ServerBytes
		out[at] = e
	}
	return out
}

const establishedBit = 1 << flow.Established

// unlike says in which ways a tap and an export tell edge e differently, by the
// words of the table of differences.
func unlike(tap, export map[edge]told, e edge) (what []string) {
	a, inTap := tap[e]
	b, inExport := export[e]
	switch {
	case !inExport:
		return []string{"not exported"}
	case !inTap:
		return []string{"export only"}
	case (a.outcomes^b.outcomes)&establishedBit != 0:
		what = append(what, "established")
	case a.outcomes != b.outcomes && a.outcomes&establishedBit != 0:
		what = append(what, "attempts beside")
	case a.outcomes != b.outcomes:
		what = append(what, "kind of attempt")
	}
	if a.packets != b.packets {
		what = append(what, "packets")
	}
	if a.bytes != b.bytes {
		what = append(what, "bytes")
	}
	return what
}

// replaySection is where the table of the replayed captures' differences is.
const replaySection = "## The same captures, as packets and as recorded exports"

// replayDifferences reads that table: the number of edges by "export: what".
func replayDifferences(t *testing.T) map[string]int {
	t.Helper()
	b, err := os.ReadFile("testdata/corpus-differences.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(b), replaySection)
	if !found {
		t.Fatalf("no section %q", replaySection)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	known := map[string]int{}
	for _, line := range strings.Split(section, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 6 {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(cells[3])); err == nil {
			known[strings.TrimSpace(cells[1])+": "+strings.TrimSpace(cells[2])] += n
		}
	}
	return known
}

// captured finds the capture that an export was made of.
func captured(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"arkime", "ipfixprobe/inputs"} {
		path := filepath.Join(testenv.Corpus(), dir, name+".pcap")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatalf("no capture of that name for the exports of %s", name)
	return ""
}

// TestReplayAndItsCaptureDrawTheSameMap imports what softflowd exported of a capture
// as NetFlow v5, v9 and IPFIX, and the capture. The maps are the same, edge by edge,
// in direction, outcome, packets and bytes, but for what the table explains: the
// test fails when there is more of that, or less.
func TestReplayAndItsCaptureDrawTheSameMap(t *testing.T) {
	testenv.Need(t, "corpus")
	files, _ := filepath.Glob(filepath.Join(testenv.Corpus(), "softflowd-replay", "*.pcap"))
	found, detail := map[string]int{}, []string{}
	edges, same := 0, 0
	for _, f := range files {
		export := strings.TrimSuffix(filepath.Base(f), ".pcap")
		name, _, _ := strings.Cut(export, ".")
		fromTap, fromExport := imported(t, captured(t, name)), imported(t, f)
		all := map[edge]bool{}
		for e := range fromTap {
			all[e] = true
		}
		for e := range fromExport {
			all[e] = true
		}
		for e := range all {
			edges++
			what := unlike(fromTap, fromExport, e)
			if len(what) == 0 {
				same++
			}
			for _, w := range what {
				found[export+": "+w]++
				detail = append(detail, fmt.Sprintf("%s: %s: %v: tap %v, export %v", export, w, e, fromTap[e], fromExport[e]))
			}
		}
	}
	slices.Sort(detail)
	if d := cmp.Diff(replayDifferences(t), found); d != "" {
		t.Errorf("explained (-) and found (+) differences:\n%s\n%s", d, strings.Join(detail, "\n"))
	}
	t.Logf("%d exports: %d of %d edges are the same", len(files), same, edges)
	if len(files) < 18 || same < 100 {
		t.Errorf("only %d exports with %d edges in both", len(files), same)
	}
}
