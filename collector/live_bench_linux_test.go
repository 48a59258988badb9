package collector_test

import (
	"context"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/flow"
)

// BenchmarkLive is a live sensor with all its stages under the smallest frames of a
// thousand flows, as fast as one generator sends them. sensor-ns/packet is the CPU
// time of the process but for the generator's; sent = counted + dropped.
func BenchmarkLive(b *testing.B) {
	if !benchInNamespace(b) {
		return
	}
	frames := make([][]byte, 1000)
	for i := range frames {
		frames[i] = smallest(b, uint16(10_000+i))
	}
	var sink discard
	l, err := collector.OpenLive(collector.LiveOptions{Interfaces: []string{"tap0"}}, &sink)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1) // one result
	go func() { done <- l.Run(ctx) }()
	<-l.Ready()
	start := cpu()
	sent, own := generate(frames, b.N)
	seen := func() int { s := l.Stats(); return int(s.Frames + s.Kernel.Dropped) }
	for deadline := time.Now().Add(20 * time.Second); seen() < sent && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	s := l.Stats()
	b.ReportMetric(float64((cpu()-start-own).Nanoseconds())/float64(max(1, s.Frames)), "sensor-ns/packet")
	b.ReportMetric(float64(s.Assemble.Counted), "counted")
	b.ReportMetric(float64(s.Kernel.Dropped), "dropped")
	drops := s.Drops()
	b.ReportMetric(float64(drops.Total()-drops[flow.DropKernel]), "not-counted")
}
