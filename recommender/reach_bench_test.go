package recommender_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// chains is a map of n workloads in applications of forty, four tiers each, ten
// dependencies a workload, some into other applications.
func chains(n int) *topology.Map {
	rng := rand.New(rand.NewPCG(4, 2))
	roles := []string{"web", "api", "db", "cache"}
	m := &topology.Map{Graph: topology.Graph{Nodes: make([]topology.Node, n)}, Priorities: make([]topology.Priority, n)}
	for i := range n {
		m.Graph.Nodes[i] = topology.Node{ID: fmt.Sprintf("w%06d", i), Name: fmt.Sprintf("w%06d", i), Kind: topology.NodeWorkload,
			Addrs:  []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})},
			Labels: topology.Labels{"role": roles[i%4], "app": fmt.Sprintf("app%05d", i/40), "env": "prod"}}
		m.Labels = append(m.Labels, m.Graph.Nodes[i].Labels)
		for range 10 {
			to := i/40*40 + rng.IntN(40)
			if rng.IntN(10) == 0 {
				to = rng.IntN(n)
			}
			if to%4 > i%4 || to%4 == i%4 && to > i { // down the tiers
				m.Graph.Deps = append(m.Graph.Deps, topology.Dependency{Client: int32(i), Server: int32(to),
					Service: flow.Service{Proto: flow.TCP, Port: uint16(1000 + to%4)}, EdgeStats: flow.EdgeStats{Flows: 9, Days: 5, Confidence: 100, Evidence: flow.EvidenceSYN}})
			}
		}
	}
	slices.SortFunc(m.Graph.Deps, func(a, b topology.Dependency) int {
		if a.Client != b.Client {
			return int(a.Client - b.Client)
		}
		return int(a.Server - b.Server)
	})
	m.Graph.Deps = slices.CompactFunc(m.Graph.Deps, func(a, b topology.Dependency) bool { return a.Client == b.Client && a.Server == b.Server })
	return m
}

// BenchmarkBlastRadius walks from one workload of 100,000.
func BenchmarkBlastRadius(b *testing.B) {
	m := chains(100_000)
	for b.Loop() {
		if _, err := recommender.BlastRadius(m, nil, "w000000"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkContribution says what one rule of 10,000 contributes to the exposure of
// 100,000 workloads.
func BenchmarkContribution(b *testing.B) {
	m := chains(100_000)
	rec, err := recommender.Recommend(m, nil, recommender.Options{Level: policy.ServiceLevel})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(countRules(rec.Set)), "rules")
	p := &rec.Set.Policies[0]
	for b.Loop() {
		recommender.Contribution(m, rec.Set, p.Name, p.Rules[0].Name)
	}
}
