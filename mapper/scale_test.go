package mapper_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/mapper"
)

// cpuTime is what this process has used so far; on a shared machine it says more
// than the clock.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBuild is the whole map, from edges to proposals and layout, of estates
// of growing size. The largest takes a minute to generate:
//
//	go test ./mapper -run - -bench 'Build/100000' -benchtime 1x -timeout 1h
func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in, _ := estateInput(b, scenario.Options{Workloads: n, Days: 2})
			b.ReportAllocs()
			b.ResetTimer()
			start := cpuTime(b)
			for b.Loop() {
				m, err := mapper.Build(in, mapper.Options{})
				if err != nil {
					b.Fatal(err)
				}
				mapper.Layout(m, nil)
			}
			b.ReportMetric((cpuTime(b)-start).Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(len(in.Edges)), "edges")
		})
	}
}
