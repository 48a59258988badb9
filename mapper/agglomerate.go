package mapper

import (
	"cmp"
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
func agglomerate(items [][]uint64) ([]int32, int) {
	a := newAgglomeration(items)
	for range maxPasses {
		if a.pass() == 0 {
			break
		}
	}
	return a.result(len(items))
}

const (
	maxPasses     = 8
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
}

type agglomeration struct {
	of      []int32 // item → first cluster
	cluster []profile
	share   map[uint64]float64 // π per feature
	mean    float64            // Σπ: mean number of features per item
	total   int
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
		cost += featureCost(pi, float64(p.count[j]), float64(p.n))
	}
	return cost + a.absent(listed, p.n)
}

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

func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}

// pass tries to merge every living cluster once, small ones first so that
// stragglers join what is already established, and returns how many it merged.
func (a *agglomeration) pass() int {
	alive := make([]int32, 0, len(a.cluster))
	for c := range a.cluster {
		if a.cluster[c].into < 0 {
			alive = append(alive, int32(c))
		}
	}
	slices.SortStableFunc(alive, func(x, y int32) int { return cmp.Compare(a.cluster[y].n, a.cluster[x].n) })
	postings := a.postings(alive)
	merged := 0
	for k := len(alive) - 1; k >= 0; k-- {
		c := alive[k]
		if a.cluster[c].into < 0 && a.mergeBest(c, postings) {
			merged++
		}
	}
	return merged
}

// postings lists for every feature the clusters that have it, largest first.
func (a *agglomeration) postings(alive []int32) map[uint64][]int32 {
	postings := make(map[uint64][]int32, len(a.share))
	for _, c := range alive {
		for _, f := range a.cluster[c].feats {
			if l := postings[f]; len(l) < maxPosting {
				postings[f] = append(l, c)
			}
		}
	}
	return postings
}

// mergeBest merges c with the candidate that shortens the description most.
func (a *agglomeration) mergeBest(c int32, postings map[uint64][]int32) bool {
	best, bestGain := int32(-1), 1e-9
	for _, d := range a.candidates(c, postings) {
		p, q := &a.cluster[c], &a.cluster[d]
		gain := p.cost + q.cost - a.mergedCost(p, q) + nlogn(p.n+q.n) - nlogn(p.n) - nlogn(q.n)
		if gain > bestGain || (gain == bestGain && d < best) {
			best, bestGain = d, gain
		}
	}
	if best < 0 {
		return false
	}
	m := a.merge(&a.cluster[c], &a.cluster[best])
	a.cluster[best], a.cluster[c].into = m, best
	return true
}

// candidates returns the living clusters that share c's rarest features.
func (a *agglomeration) candidates(c int32, postings map[uint64][]int32) []int32 {
	feats := slices.Clone(a.cluster[c].feats)
	slices.SortStableFunc(feats, func(x, y uint64) int { return cmp.Compare(a.share[x], a.share[y]) })
	var out []int32
	for _, f := range feats {
		for _, d := range postings[f] {
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
		cost += featureCost(pi, float64(k), float64(n))
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
