package collector_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/capture/capturetest"
	"github.com/bulkhead/bulkhead/flow"
)

// discard is a sink that counts.
type discard struct{ records, names int }

func (d *discard) Records(r []flow.Record) error { d.records += len(r); return nil }
func (d *discard) Names(n []flow.Name) error     { d.names += len(n); return nil }

// generated writes a capture into the test's folder, or uses the one that
// BULKHEAD_BENCH_PCAP names.
func generated(b testing.TB, o capturetest.Options) string {
	if path := os.Getenv("BULKHEAD_BENCH_PCAP"); path != "" {
		return path
	}
	path := filepath.Join(b.TempDir(), "traffic.pcap")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := capturetest.Write(f, o); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// cpu is the user and system time of the process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkImport is the whole way from a file to records and names, everything
// on. Mpps/cpu is million packets per CPU second, user and system.
func BenchmarkImport(b *testing.B) {
	path := generated(b, capturetest.Options{Seed: 1})
	var packets uint64
	var sink discard
	runtime.GC()
	start := cpu()
	for b.Loop() {
		s, err := collector.Import(context.Background(), path, collector.Options{}, &sink)
		if err != nil {
			b.Fatal(err)
		}
		packets += s.Frames
	}
	b.ReportMetric(float64(packets)/1e6/(cpu()-start).Seconds(), "Mpps/cpu")
	b.ReportMetric(float64(sink.records)/float64(b.N), "records")
	b.ReportMetric(float64(sink.names)/float64(b.N), "names")
}

// BenchmarkWalk is reading and walking alone.
func BenchmarkWalk(b *testing.B) {
	path := generated(b, capturetest.Options{Seed: 1})
	packets := 0
	start := cpu()
	for b.Loop() {
		r, err := capture.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		var w capture.Walker
		var f capture.Frame
		var p capture.Packet
		for r.Next(&f) == nil {
			w.Walk(&f, &p)
			packets++
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(packets)/1e6/(cpu()-start).Seconds(), "Mpps/cpu")
}
