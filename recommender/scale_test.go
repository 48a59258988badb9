package recommender_test

import (
	"testing"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
)

// BenchmarkRecommend writes the policies of an estate of 20,000 workloads.
func BenchmarkRecommend(b *testing.B) {
	m, probes, e := estateMap(b, scenario.Options{Workloads: 20_000, Days: 2})
	opt := recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks}
	b.ResetTimer()
	var rec *policy.Recommendation
	for b.Loop() {
		var err error
		if rec, err = recommender.Recommend(m, probes, opt); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(m.Graph.Deps)), "dependencies")
	b.ReportMetric(float64(countRules(rec.Set)), "rules")
}

// BenchmarkSimulate replays that estate through its recommendation.
func BenchmarkSimulate(b *testing.B) {
	m, probes, e := estateMap(b, scenario.Options{Workloads: 20_000, Days: 2})
	rec, err := recommender.Recommend(m, probes, recommender.Options{Level: policy.ServiceLevel, Networks: e.Inventory(true).Networks})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		if _, err := recommender.Simulate(rec.Set, m, probes, recommender.SimulateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(m.Graph.Deps)), "dependencies")
}
