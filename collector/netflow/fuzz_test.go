package netflow_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/collector/netflow/netflowtest"
	"github.com/bulkhead/bulkhead/collector/netflow/stitch"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// FuzzDatagrams feeds a decoder three datagrams in a row, because templates and
// counters live from one to the next. What it promises of any bytes: no panic,
// an end within 50 ms of processor time each, at most 8 MiB allocated, and counters
// that add up.
func FuzzDatagrams(f *testing.F) {
	for _, seeds := range hanging {
		b := make([][]byte, 3)
		for i, s := range seeds {
			b[i] = unhex(f, s)
		}
		f.Add(b[0], b[1], b[2])
	}
	f.Add(ipfix(0, 1, set(2, simple(256)...)), ipfix(0, 1, set(256, record(1, 5)...)), ipfix(1, 1, set(2, 1, 0, 0, 0)))
	f.Add(v9(0, 9, 1, set(0, simple(256)...), set(256, record(1, 5)...)), v9(1, 9, 1, set(256, record(1, 5)...)), []byte(nil))
	f.Add(ipfix(0, 1, set(2, words(256, 3, 8, 4, 12, 4, 82, 0xffff)...), set(256, 1, 2, 3, 4, 5, 6, 7, 8, 2, 'a', 'b')), []byte(nil), []byte(nil))
	f.Add(ipfix(0, 1, set(3, words(300, 2, 1, 302, 4, 50, 0xffff)...), set(300, 0, 0, 0, 1, 1, 50)), []byte(nil), []byte(nil))
	records := netflowtest.Records(2, 1, boot)
	for _, format := range formats {
		e := &netflowtest.Encoder{Format: format, Boot: boot, PerDatagram: 2}
		halves := append(netflowtest.Halves(&records[0]), netflowtest.Halves(&records[1])...)
		d := e.Datagrams(halves, boot+9e9)
		f.Add(d[0], d[1], d[0])
	}
	for _, b := range corpusSeeds() {
		f.Add(b, b, b)
	}
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		kept := &count{}
		d := netflow.NewDecoder(netflow.Options{Stitch: small()}, kept)
		for i, load := range [][]byte{a, b, c} {
			if len(load) > 65507 {
				return // no UDP datagram
			}
			before, start := allocated(), busy()
			if err := d.Datagram(load, router, boot+flow.Time(i)*1e9); err != nil {
				t.Fatal(err)
			}
			if took := busy() - start; took > promised && tardy([][]byte{a, b, c}[:i+1]) {
				t.Fatalf("datagram %d took %v of processor time, and again", i, took)
			}
			if grew := allocated() - before; grew > 8<<20 {
				t.Fatalf("datagram %d allocated %d bytes", i, grew)
			}
		}
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		addUp(t, d, kept.n)
	})
}

// small is a stitcher that costs little to make and is soon full.
func small() stitch.Options {
	return stitch.Options{MaxFlows: 64, Learner: direction.New(direction.Options{MaxEnds: 64})}
}

// promised is the processor time that a datagram may take.
const promised = 50 * time.Millisecond

// tardy reports whether the last of some datagrams breaks the promise three times out
// of three: a garbage collection or another goroutine of the process may do so once.
func tardy(loads [][]byte) bool {
	for range 3 {
		d := netflow.NewDecoder(netflow.Options{Stitch: small()}, &count{})
		var start time.Duration
		for i, load := range loads {
			start = busy()
			if err := d.Datagram(load, router, boot+flow.Time(i)*1e9); err != nil {
				return false // reported where it was first seen
			}
		}
		if busy()-start <= promised {
			return false
		}
	}
	return true
}

// allocated is the bytes allocated by the process so far.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// addUp checks the identities that Counts and stitch.Stats promise.
func addUp(t testing.TB, d *netflow.Decoder, records int) {
	t.Helper()
	s := d.Stats()
	switch {
	case s.DatagramDrops[flow.DropPanic] != 0:
		t.Errorf("panicked: %s", s.Exporters[0].LastError)
	case s.Datagrams != s.Decoded+s.DatagramDrops.Total():
		t.Errorf("%d datagrams, %d decoded, dropped %v", s.Datagrams, s.Decoded, s.DatagramDrops)
	case s.Sets != s.TemplateSets+s.DataSets+s.SetDrops.Total():
		t.Errorf("%d sets, %d of templates, %d of data, dropped %v", s.Sets, s.TemplateSets, s.DataSets, s.SetDrops)
	case s.Rows != s.Flows+s.RowDrops.Total():
		t.Errorf("%d rows, %d flows, dropped %v", s.Rows, s.Flows, s.RowDrops)
	case s.Flows != s.Stitch.Rows || s.Stitch.Rows != s.Stitch.Duplicates+s.Stitch.Reported:
		t.Errorf("%d flows, stitched %+v", s.Flows, s.Stitch)
	case uint64(records) != s.Stitch.Records:
		t.Errorf("%d records made, %d passed on", s.Stitch.Records, records)
	}
}

// corpusSeeds are the loose datagrams of the corpus, when it is there.
func corpusSeeds() (out [][]byte) {
	for _, pattern := range []string{"cistern-sflow/*.dump", "telegraf-netflow/*/*.bin", "fluent-plugin-netflow/*.dump", "logstash-vendor-sampler/dat/*.dat"} {
		files, _ := filepath.Glob(filepath.Join(testenv.Corpus(), pattern))
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil {
				out = append(out, b)
			}
		}
	}
	return out
}

// FuzzPlausible holds that what is plausible is at least decoded.
func FuzzPlausible(f *testing.F) {
	f.Add(ipfix(0, 1, set(2, simple(256)...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := netflow.NewDecoder(netflow.Options{}, &count{})
		if err := d.Datagram(b, netip.MustParseAddrPort("192.0.2.1:1"), boot); err != nil {
			t.Fatal(err)
		}
		if s := d.Stats(); netflow.Plausible(b) && s.DatagramDrops[flow.DropVersion] != 0 {
			t.Errorf("plausible, but of an unknown version: %x", b)
		}
	})
}
