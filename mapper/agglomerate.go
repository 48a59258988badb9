package mapper

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
)

// agglomerate clusters items by their sorted, distinct features and returns each
// item's cluster, numbered by first member, and how many there are.
//
// The model is a mixture of Bernoulli products with a Beta prior per feature, fit
// by merging whatever shortens the description: a cluster of n items of which k
// have feature f costs
//
//	-log B(α+k, β+n-k)/B(α, β),  α = s·π, β = s·(1-π), s = 1
//
// where π is the share of all items that have f, and saying which of the clusters
// its items are in costs another -n·log(n/N). A rare feature in common therefore
// speaks for a merge as loudly as it is rare, one that everybody has says
// nothing, one that half of a large cluster has at random does not split it, and
// one that only one side has costs a bounded amount; no threshold has to be
// chosen. (Heller and Ghahramani, "Bayesian hierarchical clustering", ICML 2005,
// doi:10.1145/1102351.1102389; the two-part code is Rissanen's, Automatica 14,
// 1978, doi:10.1016/0005-1098(78)90005-5.)
//
// Features that nearly the same items have are one fact, not many (whoever asks a
// directory server for a ticket also looks things up in it), and count once; see
// withoutEchoes.
func agglomerate(items [][]uint64) ([]int32, int) {
	a := newAgglomeration(withoutEchoes(items))
	a.mergeAll()
	return a.result(len(items))
}

const (
	maxCandidates = 24 // clusters compared per cluster and pass
	maxPosting    = 64 // clusters looked at per shared feature
	priorWeight   = 1.0
)

// profile is one cluster: how many of its n members have each feature.
type profile struct {
	n     int32
	feats []uint64 // sorted
	count []int32
	cost  float64
	into  int32 // cluster merged into, -1 while alive
	age   int32 // merges taken part in
}

type agglomeration struct {
	of      []int32 // item → first cluster
	cluster []profile
	share   map[uint64]float64 // π per feature
	mean    float64            // Σπ: mean number of features per item
	total   int
	// postings lists for every feature some clusters that had it at the start.
	postings map[uint64][]int32
}

func newAgglomeration(items [][]uint64) *agglomeration {
	a := &agglomeration{of: make([]int32, len(items)), share: map[uint64]float64{}, total: max(len(items), 1)}
	bySignature := make(map[uint64]int32, len(items)/4+1)
	for i, f := range items {
		h := uint64(len(f))
		for _, k := range f {
			h = mix(h ^ k)
		}
		c, ok := bySignature[h]
		if !ok {
			c = int32(len(a.cluster))
			bySignature[h] = c
			a.cluster = append(a.cluster, profile{feats: f, into: -1})
		}
		a.of[i] = c
		a.cluster[c].n++
	}
	for c := range a.cluster {
		p := &a.cluster[c]
		p.count = make([]int32, len(p.feats))
		for j, f := range p.feats {
			p.count[j] = p.n
			a.share[f] += float64(p.n)
		}
	}
	for f, n := range a.share {
		a.share[f] = n / float64(a.total)
	}
	for _, f := range sortedKeys(a.share) {
		a.mean += a.share[f]
	}
	for c := range a.cluster {
		a.cluster[c].cost = a.costOf(&a.cluster[c])
	}
	return a
}

func sortedKeys(m map[uint64]float64) []uint64 {
	keys := make([]uint64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// costOf is the description length of a cluster in nats.
func (a *agglomeration) costOf(p *profile) float64 {
	cost, listed := 0.0, 0.0
	for j, f := range p.feats {
		pi := a.share[f]
		listed += pi
		cost += weightOf(f) * featureCost(pi, float64(p.count[j]), float64(p.n))
	}
	return cost + a.absent(listed, p.n)
}

// weightOf counts what a machine serves more than what it uses: that is what it
// is there for.
func weightOf(f uint64) float64 { return 1 + servedExtra*float64(f&1) }

const servedExtra = 1

// featureCost is -log B(α+k, β+n-k)/B(α, β).
func featureCost(pi, k, n float64) float64 {
	pi = min(pi, 0.999)
	α, β := priorWeight*pi, priorWeight*(1-pi)
	return logBeta(α, β) - logBeta(α+k, β+n-k)
}

// absent is what all features that no member has cost together, to first order
// in their π: Σπ·log(1+n/s).
func (a *agglomeration) absent(listed float64, n int32) float64 {
	return priorWeight * max(a.mean-listed, 0) * math.Log1p(float64(n)/priorWeight)
}

func nlogn(n int32) float64 { return float64(n) * math.Log(float64(n)) }

func logBeta(a, b float64) float64 { return logGamma(a) + logGamma(b) - logGamma(a+b) }

// logGamma is log Γ(x) for x > 0 to about 1e-9: Stirling's series (Abramowitz and
// Stegun 6.1.41) from 8 on, the recurrence below. math.Lgamma is four times
// slower and this is half of all clustering time.
func logGamma(x float64) float64 {
	shift := 1.0
	for x < 8 {
		shift *= x
		x++
	}
	i := 1 / (x * x)
	return (x-0.5)*math.Log(x) - x + 0.918938533204672742 + (1.0/12-i*(1.0/360-i*(1.0/1260-i/1680)))/x - math.Log(shift)
}

// proposal is the best merge known for cluster a when it and b had these ages.
type proposal struct {
	gain       float64
	a, b       int32
	ageA, ageB int32
}

// proposals is a heap, best gain first, then by cluster.
type proposals []proposal

func (p proposals) Len() int { return len(p) }
func (p proposals) Less(i, j int) bool {
	return p[i].gain > p[j].gain || (p[i].gain == p[j].gain && (p[i].a < p[j].a || (p[i].a == p[j].a && p[i].b < p[j].b)))
}
func (p proposals) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *proposals) Push(x any)   { *p = append(*p, x.(proposal)) }
func (p *proposals) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}

// mergeAll performs the merges that shorten the description, the best first, so
// that the many who are alike settle before anybody joins the nearly alike.
func (a *agglomeration) mergeAll() {
	a.post()
	var queue proposals
	for c := range a.cluster {
		if p, ok := a.best(int32(c)); ok {
			queue = append(queue, p)
		}
	}
	heap.Init(&queue)
	for queue.Len() > 0 {
		p := heap.Pop(&queue).(proposal)
		c, d := &a.cluster[p.a], &a.cluster[p.b]
		if c.into >= 0 {
			continue
		}
		next := p.a
		if c.age == p.ageA && d.into < 0 && d.age == p.ageB {
			if c.n > d.n {
				p.a, p.b, c, d = p.b, p.a, d, c
			}
			m := a.merge(c, d)
			m.age = d.age + 1
			*d, c.into, next = m, p.b, p.b
		}
		if p, ok := a.best(next); ok {
			heap.Push(&queue, p)
		}
	}
}

// post lists for every feature the clusters that have it, largest first.
func (a *agglomeration) post() {
	order := make([]int32, len(a.cluster))
	for c := range order {
		order[c] = int32(c)
	}
	slices.SortStableFunc(order, func(x, y int32) int { return cmp.Compare(a.cluster[y].n, a.cluster[x].n) })
	a.postings = make(map[uint64][]int32, len(a.share))
	for _, c := range order {
		for _, f := range a.cluster[c].feats {
			if l := a.postings[f]; len(l) < maxPosting {
				a.postings[f] = append(l, c)
			}
		}
	}
}

// best finds the candidate whose merge with c shortens the description most.
func (a *agglomeration) best(c int32) (proposal, bool) {
	p := proposal{gain: 1e-9, a: c, b: -1, ageA: a.cluster[c].age}
	x := &a.cluster[c]
	for _, d := range a.candidates(c) {
		y := &a.cluster[d]
		gain := x.cost + y.cost - a.mergedCost(x, y) + nlogn(x.n+y.n) - nlogn(x.n) - nlogn(y.n)
		if gain > p.gain || (gain == p.gain && d < p.b) {
			p.gain, p.b, p.ageB = gain, d, y.age
		}
	}
	return p, p.b >= 0
}

// candidates returns the living clusters that share c's rarest features.
func (a *agglomeration) candidates(c int32) []int32 {
	feats := slices.Clone(a.cluster[c].feats)
	slices.SortStableFunc(feats, func(x, y uint64) int { return cmp.Compare(a.share[x], a.share[y]) })
	var out []int32
	for _, f := range feats {
		for _, d := range a.postings[f] {
			for a.cluster[d].into >= 0 {
				d = a.cluster[d].into
			}
			if d != c && !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
		if len(out) >= maxCandidates {
			break
		}
	}
	return out
}

// mergedCost is costOf(merge(p, q)) without building it.
func (a *agglomeration) mergedCost(p, q *profile) float64 {
	n := p.n + q.n
	cost, listed := 0.0, 0.0
	eachUnion(p, q, func(f uint64, k int32) {
		pi := a.share[f]
		listed += pi
		cost += weightOf(f) * featureCost(pi, float64(k), float64(n))
	})
	return cost + a.absent(listed, n)
}

func (a *agglomeration) merge(p, q *profile) profile {
	m := profile{n: p.n + q.n, into: -1}
	eachUnion(p, q, func(f uint64, k int32) {
		m.feats = append(m.feats, f)
		m.count = append(m.count, k)
	})
	m.cost = a.costOf(&m)
	return m
}

// eachUnion visits the features of either profile with their summed counts.
func eachUnion(p, q *profile, visit func(f uint64, k int32)) {
	i, j := 0, 0
	for i < len(p.feats) || j < len(q.feats) {
		switch {
		case j == len(q.feats) || (i < len(p.feats) && p.feats[i] < q.feats[j]):
			visit(p.feats[i], p.count[i])
			i++
		case i == len(p.feats) || q.feats[j] < p.feats[i]:
			visit(q.feats[j], q.count[j])
			j++
		default:
			visit(p.feats[i], p.count[i]+q.count[j])
			i, j = i+1, j+1
		}
	}
}

// result flattens the merges.
func (a *agglomeration) result(n int) ([]int32, int) {
	number := make(map[int32]int32)
	out := make([]int32, n)
	for i := range out {
		c := a.of[i]
		for a.cluster[c].into >= 0 {
			c = a.cluster[c].into
		}
		k, ok := number[c]
		if !ok {
			k = int32(len(number))
			number[c] = k
		}
		out[i] = k
	}
	return out, len(number)
}
