package collector_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture/capturetest"
	"github.com/bulkhead/bulkhead/flow"
)

// mirrored copies a classic pcap file with each of its frames in it twice, the
// second after delay and as a router sends it on: one hop less to live.
func mirrored(t *testing.T, file []byte, delay time.Duration) []byte {
	t.Helper()
	out := bytes.Clone(file[:24])
	for b := file[24:]; len(b) >= 16; {
		n := 16 + int(binary.LittleEndian.Uint32(b[8:]))
		again := bytes.Clone(b[:n])
		fraction := binary.LittleEndian.Uint32(again[4:]) + uint32(delay/time.Microsecond)
		binary.LittleEndian.PutUint32(again[4:], fraction%1e6)
		binary.LittleEndian.PutUint32(again, binary.LittleEndian.Uint32(again)+fraction/1e6)
		at := 16 + 12
		for again[at] == 0x81 || again[at] == 0x88 {
			at += 4
		}
		if at += 2; again[at-2] == 0x08 {
			again[at+8]--
		} else {
			again[at+7]--
		}
		out = append(append(out, b[:n]...), again...)
		b = b[n:]
	}
	return out
}

// A port that is mirrored in both directions, or a network before and behind its
// router, shows each packet twice on one interface. The map is that of one sight.
func TestAMirrorOfBothDirectionsCountsOnce(t *testing.T) {
	var file bytes.Buffer
	if _, err := capturetest.Write(&file, capturetest.Options{Packets: 20_000, Flows: 2000, Seconds: 60, Seed: 4}); err != nil {
		t.Fatal(err)
	}
	read := func(content []byte) (map[flow.Key][4]uint64, collector.Stats) {
		path := filepath.Join(t.TempDir(), "mirror.pcap")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var k kept
		s, err := collector.Import(context.Background(), path, collector.Options{Assemble: assemble.Options{Seed: 1}}, &k)
		if err != nil {
			t.Fatal(err)
		}
		balanced(t, s, &k)
		sums := map[flow.Key][4]uint64{}
		for _, r := range k.records {
			c := sums[r.Key]
			sums[r.Key] = [4]uint64{c[0] + r.ClientPackets, c[1] + r.ServerPackets, c[2] + r.ClientBytes, c[3] + r.ServerBytes}
		}
		return sums, s
	}
	once, s := read(file.Bytes())
	if s.Assemble.Drops.Total() != 0 {
		t.Fatalf("of packets seen once %v were dropped", s.Assemble.Drops)
	}
	twice, s := read(mirrored(t, file.Bytes(), 80*time.Microsecond))
	// These packets have no numbers, and count twice until the mirror has been noticed.
	differ := 0
	for k, c := range once {
		if twice[k] != c {
			differ++
		}
	}
	if len(twice) != len(once) || differ > 16 {
		t.Errorf("%d flows of %d, %d of them differ", len(twice), len(once), differ)
	}
	if extra := s.Assemble.Counted - s.Assemble.Drops[flow.DropDuplicate]; extra > 32 {
		t.Errorf("%d packets were counted twice", extra/2)
	}
}
