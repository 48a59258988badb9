package mapper_test

import (
	"fmt"
	"testing"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/mapper"
)

// BenchmarkBuild is the whole map, from edges to proposals, of estates of growing
// size. The largest takes a minute to generate and runs only when asked for:
// go test ./mapper -bench 'Build/100000' -benchtime 1x -timeout 1h
func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in, _ := estateInput(b, scenario.Options{Workloads: n, Days: 2})
			b.ReportMetric(float64(len(in.Edges)), "edges")
			b.ResetTimer()
			for b.Loop() {
				if _, err := mapper.Build(in, mapper.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
