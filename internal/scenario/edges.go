package scenario

import (
	"cmp"
	"runtime"
	"slices"
	"sync"

	"github.com/bulkhead/bulkhead/flow"
)

// Edges returns what the flows add up to over the window: established service,
// and attempts that found none. Both are sorted by client, server and service.
// It equals an aggregation of Flows by address, without the sort by time.
func (e *Estate) Edges() ([]flow.Edge, []flow.Probe) {
	var edges []flow.Edge
	var probes []flow.Probe
	for _, part := range e.perCore(e.edgesOf) {
		edges = append(edges, part.edges...)
		probes = append(probes, part.probes...)
	}
	slices.SortFunc(edges, func(a, b flow.Edge) int {
		return compareEnds(a.Client, b.Client, a.Server, b.Server, a.Service, b.Service)
	})
	edges = mergeEdges(edges)
	slices.SortFunc(probes, func(a, b flow.Probe) int {
		return compareEnds(a.Client, b.Client, a.Server, b.Server, a.Service, b.Service)
	})
	return edges, probes
}

// aggregates are those of a range of links.
type aggregates struct {
	edges  []flow.Edge
	probes []flow.Probe
	truth  []TrueEdge
}

// perCore splits the links into a range per core, and returns what work made of
// the ranges, in order.
func (e *Estate) perCore(work func(from, to int) aggregates) []aggregates {
	n := max(1, min(runtime.GOMAXPROCS(0), len(e.links)/10_000))
	out := make([]aggregates, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { out[i] = work(len(e.links)*i/n, len(e.links)*(i+1)/n) })
	}
	all.Wait()
	return out
}

func (e *Estate) edgesOf(from, to int) (out aggregates) {
	counts := make([]int, 0, e.opts.Days)
	for l := from; l < to; l++ {
		counts = e.counts(int32(l), counts)
		total, attempts := e.aggregate(int32(l), counts)
		if total.Flows+attempts.Attempts == 0 {
			continue
		}
		k := &e.links[l]
		v6 := e.speaksIPv6(k)
		client, server := e.clientParty(k, v6), flow.Party{Addr: e.hosts[k.server].addr(v6), Workload: e.key(k.server)}
		if total.Flows > 0 {
			out.edges = append(out.edges, flow.Edge{Client: client, Server: server, Service: k.svc, EdgeStats: total})
			continue
		}
		attempts.Client, attempts.Server, attempts.Service, attempts.Outcome, attempts.Targets = client, server, k.svc, k.outcome, 1
		out.probes = append(out.probes, attempts)
	}
	return out
}

func compareEnds(ac, bc, as, bs flow.Party, a, b flow.Service) int {
	return cmp.Or(ac.Addr.Compare(bc.Addr), cmp.Compare(ac.Workload, bc.Workload),
		as.Addr.Compare(bs.Addr), cmp.Compare(as.Workload, bs.Workload), a.Compare(b))
}

// mergeEdges unites neighbours that differ in nothing but their counts: clients
// that one translated address hides.
func mergeEdges(edges []flow.Edge) []flow.Edge {
	out := edges[:0]
	for _, x := range edges {
		if n := len(out); n > 0 && compareEnds(out[n-1].Client, x.Client, out[n-1].Server, x.Server, out[n-1].Service, x.Service) == 0 {
			out[n-1].EdgeStats.Merge(x.EdgeStats)
			continue
		}
		out = append(out, x)
	}
	return out
}

// aggregate walks the flows of one link.
func (e *Estate) aggregate(l int32, counts []int) (total flow.EdgeStats, attempts flow.Probe) {
	var hours [24]bool
	for day, n := range counts {
		if n == 0 || e.missing(day) {
			continue
		}
		hours = [24]bool{}
		for i := range n {
			t, r := e.moment(l, day, i, n)
			if !e.happens(l, t) {
				continue
			}
			s := e.shapeOf(l, t, r)
			rec := flow.Record{Key: flow.Key{Proto: s.link.svc.Proto}, Outcome: s.link.outcome}
			s.sums(&rec)
			e.oneSided(&s, &rec)
			switch rec.Outcome {
			case flow.Established:
				addFlow(&total, &rec)
				hours[t.Std().Hour()] = true
			case flow.Refused, flow.Unanswered:
				addAttempt(&attempts, &rec)
			}
		}
		addDay(&total, &hours)
	}
	if total.Flows > 0 {
		total.Sensors = 1
		total.Evidence, total.Confidence = flow.EvidenceSYN, 100
		if k := &e.links[l]; k.svc.Proto != flow.TCP {
			total.Evidence, total.Confidence = evidenceOf(k.svc)
		}
	}
	return total, attempts
}

func addFlow(s *flow.EdgeStats, r *flow.Record) {
	s.Flows++
	s.Packets += r.ClientPackets + r.ServerPackets
	s.Bytes += r.ClientBytes + r.ServerBytes
	if s.First == 0 || r.First < s.First {
		s.First = r.First
	}
	s.Last = max(s.Last, r.Last)
}

// addDay counts the hours of a day in which there were flows, and the day.
func addDay(s *flow.EdgeStats, hours *[24]bool) {
	before := s.Hours
	for _, seen := range hours {
		if seen {
			s.Hours++
		}
	}
	if s.Hours > before {
		s.Days++
	}
}

func addAttempt(p *flow.Probe, r *flow.Record) {
	p.Attempts++
	if p.First == 0 || r.First < p.First {
		p.First = r.First
	}
	p.Last = max(p.Last, r.Last)
}
