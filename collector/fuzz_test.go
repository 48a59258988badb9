package collector_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture/capturetest"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// balanced checks that every frame and packet is accounted for.
func balanced(t *testing.T, s collector.Stats, k *kept) {
	t.Helper()
	if s.Frames != s.Walked+s.Exports+s.Walk.Total() {
		t.Errorf("%d frames: %d walked, %d exports, %d dropped", s.Frames, s.Walked, s.Exports, s.Walk.Total())
	}
	a := s.Assemble
	if s.Walked+s.Outer != a.Packets || a.Packets != a.Counted+a.Fragments+a.Drops.Total() || a.Waiting != 0 || a.Live != 0 {
		t.Errorf("%d walked, %d outer; %d packets, %d counted, %d fragments, %d dropped, %d flows left", s.Walked, s.Outer, a.Packets, a.Counted, a.Fragments, a.Drops.Total(), a.Live)
	}
	if s.Exports > 0 {
		return // their records are in k, too
	}
	var packets, octets, flows, folded uint64
	for _, r := range k.records {
		packets += r.ClientPackets + r.ServerPackets
		octets += r.ClientBytes + r.ServerBytes
		folded += uint64(r.Folded)
		if r.Split == 0 {
			flows++
		}
		if r.ID == 0 || r.Last < r.First || r.Confidence > 100 || !r.Key.Client.IsValid() || !r.Key.Server.IsValid() {
			t.Errorf("record %+v", r)
		}
	}
	if packets != a.Counted || octets != a.Bytes || flows+folded != a.Flows || uint64(len(k.records)) != a.Records || folded != a.Folded {
		t.Errorf("records have %d packets, %d bytes, %d flows + %d folded; counted %+v", packets, octets, flows, folded, a)
	}
}

// FuzzImport: whatever a file holds, the import ends, and its counters add up.
func FuzzImport(f *testing.F) {
	var b bytes.Buffer
	if _, err := capturetest.Write(&b, capturetest.Options{Packets: 12, Flows: 4, Seconds: 900, SnapLength: 120}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "fuzz")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		// A small table, so that evictions happen. The tables of all stages together
		// take some megabytes, whatever the file.
		bounds := testenv.Bounds{CPU: 100 * time.Millisecond, Bytes: 64 << 20}
		if len(data) > 0 && (data[0] == 0x1f || data[0] == 0x28) {
			bounds = testenv.Bounds{CPU: time.Second, Bytes: 256 << 20} // what it unpacks to
		}
		bounds.Hold(t, func() {
			var k kept
			s, _ := collector.Import(context.Background(), path, collector.Options{Assemble: assemble.Options{Capacity: 8, Budget: 1, Seed: 1}}, &k)
			balanced(t, s, &k)
		})
	})
}

// The same holds for a large file with a table far too small for it.
func TestCountersAddUpWhenTheTableIsTooSmall(t *testing.T) {
	for _, capacity := range []int{64, 5000, 0} {
		var k kept
		o := collector.Options{Assemble: assemble.Options{Capacity: capacity, Active: 20 * time.Second}}
		s, err := collector.Import(context.Background(), generated(t, capturetest.Options{Packets: 100_000, Flows: 20_000, Seed: 5}), o, &k)
		if err != nil {
			t.Fatal(err)
		}
		balanced(t, s, &k)
		if capacity > 0 && s.Assemble.Evicted == 0 {
			t.Errorf("capacity %d: nothing was evicted", capacity)
		}
	}
}
