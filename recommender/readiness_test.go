package recommender_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// sampleMap is an estate of one application in which client i uses service i of
// one server on each day with probability p[i].
func sampleMap(rng *rand.Rand, p []float64, days int) (m *topology.Map, incidence []flow.Incidence) {
	m = &topology.Map{Since: 0, Until: flow.Time(time.Duration(days) * 24 * time.Hour)}
	m.Graph.Nodes = []topology.Node{
		{ID: "c", Kind: topology.NodeWorkload, Labels: topology.Labels{"app": "a", "role": "c"}},
		{ID: "s", Kind: topology.NodeWorkload, Labels: topology.Labels{"app": "a", "role": "s"}},
	}
	for i := range p {
		var seen uint64
		for day := range days {
			if rng.Float64() < p[i] {
				seen |= 1 << day
			}
		}
		if seen == 0 {
			continue
		}
		svc := flow.Service{Proto: flow.TCP, Port: uint16(1000 + i)}
		m.Graph.Deps = append(m.Graph.Deps, topology.Dependency{Client: 0, Server: 1, Service: svc, EdgeStats: flow.EdgeStats{Flows: 9, Confidence: 100, Evidence: flow.EvidenceSYN}})
		incidence = append(incidence, flow.Incidence{Client: flow.Party{Workload: topology.WorkloadKey("c")}, Server: flow.Party{Workload: topology.WorkloadKey("s")}, Service: svc, Days: seen})
	}
	return m, incidence
}

// With known rates the estimates must come out right on average: the 95 % interval
// holds the number unseen most of the time, and what is at risk is what the next
// days show.
func TestReadinessAgainstKnownRates(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	p := make([]float64, 400)
	for i := range p {
		p[i] = 0.03 + 0.9*math.Pow(rng.Float64(), 3) // many rare ones, none that never comes
	}
	const days, rounds = 14, 200
	held, predicted, actual := 0, 0.0, 0.0
	for range rounds {
		m, inc := sampleMap(rng, p, days)
		r := recommender.Readiness(m, nil, inc, 14)[0]
		unseen := float64(len(p) - r.Observed)
		if r.UnseenLow <= unseen && unseen <= r.UnseenHigh {
			held++
		}
		seen := map[uint16]bool{}
		for _, d := range m.Graph.Deps {
			seen[d.Service.Port] = true
		}
		predicted += r.AtRisk
		for i := range p {
			if !seen[uint16(1000+i)] {
				actual += 1 - math.Pow(1-p[i], 14)
			}
		}
	}
	t.Logf("interval held %d of %d times; %.1f predicted per round, %.1f came", held, rounds, predicted/rounds, actual/rounds)
	if predicted < 0.85*actual || predicted > 1.15*actual {
		t.Errorf("predicted %.1f per round, %.1f came", predicted/rounds, actual/rounds)
	}
	// Chao2 is a lower bound; very rare species keep it below the truth.
	if held < rounds/2 {
		t.Errorf("the interval held the truth %d of %d times", held, rounds)
	}
}

func TestReadinessOnSteadyTrafficIsComplete(t *testing.T) {
	m, inc := sampleMap(rand.New(rand.NewPCG(1, 1)), []float64{1, 1, 1}, 10)
	r := recommender.Readiness(m, nil, inc, 0)[0]
	if r.Observed != 3 || r.Unseen != 0 || r.Coverage != 1 || r.AtRisk != 0 {
		t.Errorf("got %+v", r)
	}
}

// Work that closes the month is not rare by chance: it must not raise what is
// expected to be unseen, and is counted apart.
func TestMonthEndWorkIsNoSignOfMoreToCome(t *testing.T) {
	since := flow.TimeOf(time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)) // the month ends on days 10, 11 and 12
	m, incidence := sampleMap(rand.New(rand.NewPCG(3, 3)), []float64{1, 1, 1, 1, 1, 1, 1, 1}, 20)
	m.Since, m.Until = since, since.Add(20*24*time.Hour)
	for i := range 6 {
		incidence[i].Days = 1 << 11
	}
	r := recommender.Readiness(m, nil, incidence, 0)[0]
	if r.Once != 6 || r.Monthly != 6 || r.Unseen != 0 || !r.MonthEnd || !strings.Contains(r.Words, "6 dependencies showed themselves at the month's end only") {
		t.Errorf("got %+v", r)
	}
	for i := range 6 {
		incidence[i].Days = 1 << i // any day: that is chance
	}
	if r = recommender.Readiness(m, nil, incidence, 0)[0]; r.Monthly != 0 || r.Unseen < 5 {
		t.Errorf("got %+v", r)
	}
}

// On the estate: what the first days predict for those after, against what they
// show. The closing of the month falls after the watch: no estimator sees it
// coming, so the words must say so.
func TestReadinessOnTheEstate(t *testing.T) {
	if testing.Short() {
		t.Skip("generates weeks of traffic")
	}
	const watched, ahead = 6, 22
	m, incidence, later := watch(t, watched, ahead)
	r := recommender.Readiness(m, nil, incidence, ahead)[0]
	t.Logf("%s\ncoverage %.3f, unseen %.1f (%.1f to %.1f), at risk %.1f, came %d", r.Words, r.Coverage, r.Unseen, r.UnseenLow, r.UnseenHigh, r.AtRisk, later)
	if float64(later) > r.UnseenHigh || r.AtRisk > float64(later)+3 {
		t.Errorf("%d dependencies came, %.1f were predicted, at most %.1f", later, r.AtRisk, r.UnseenHigh)
	}
	if !strings.Contains(r.Words, "once a month") {
		t.Errorf("nothing warns of the month's end: %s", r.Words)
	}
}

// watch generates an estate, returns what its first days show, and counts the
// legitimate dependencies between groups that only the days ahead show, the
// closing of the month left out.
func watch(t *testing.T, watched, ahead int) (*topology.Map, []flow.Incidence, int) {
	t.Helper()
	m, _, e := estateMap(t, scenario.Options{Days: watched + ahead, Rate: 0.5, Noise: scenario.Noise{NoScanners: true}})
	at := map[uint64]int32{}
	for i := range m.Graph.Nodes {
		at[topology.WorkloadKey(m.Graph.Nodes[i].ID)] = int32(i)
	}
	type triple struct {
		client, server uint64
		service        flow.Service
	}
	legitimate := map[triple]bool{}
	for _, x := range e.Truth().Edges {
		legitimate[triple{x.Client.Workload, x.Server.Workload, x.Service}] = x.Legitimate && x.Why != "the month is closed" && x.Client.Workload != 0 && x.Server.Workload != 0
	}
	start := m.Since
	days := map[triple]uint64{}
	stats := map[triple]*flow.EdgeStats{}
	err := e.Flows(func(r flow.Record) error {
		k := triple{r.ClientWorkload, r.ServerWorkload, r.Key.Service()}
		if !r.Established() || !legitimate[k] {
			return nil
		}
		days[k] |= 1 << uint((r.First-start)/flow.Time(24*time.Hour))
		if stats[k] == nil {
			stats[k] = &flow.EdgeStats{First: r.First, Evidence: flow.EvidenceSYN, Confidence: 100}
		}
		stats[k].Flows++
		stats[k].Last = r.First
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mask := uint64(1)<<watched - 1
	var incidence []flow.Incidence
	first := *m
	first.Until = start.Add(time.Duration(watched) * 24 * time.Hour)
	first.Graph.Deps = nil
	seen, all := map[[2]string]bool{}, map[[2]string]bool{}
	for k, d := range days {
		c, s := at[k.client], at[k.server]
		name := [2]string{m.Labels[c].String() + " → " + m.Labels[s].String(), k.service.String()}
		all[name] = true
		if d&mask == 0 {
			continue
		}
		seen[name] = true
		incidence = append(incidence, flow.Incidence{Client: flow.Party{Workload: k.client}, Server: flow.Party{Workload: k.server}, Service: k.service, Days: d & mask})
		first.Graph.Deps = append(first.Graph.Deps, topology.Dependency{Client: c, Server: s, Service: k.service, EdgeStats: *stats[k]})
	}
	slices.SortFunc(first.Graph.Deps, func(a, b topology.Dependency) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.Server, b.Server), a.Service.Compare(b.Service))
	})
	return &first, incidence, len(all) - len(seen)
}
