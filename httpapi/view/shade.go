package view

import "github.com/bulkhead/bulkhead/policy"

// Exposed is how far a compromise spreads from every node, by the map's node
// order: today, and with a draft enforced.
type Exposed struct {
	Today, Draft *policy.Exposure // Draft may be nil
}

// Spread is a share of the other workloads, 0..1, that somebody who took over the
// worst workload of a box could reach.
type Spread struct {
	Today float64  `json:"today"`
	Draft *float64 `json:"draft,omitempty"` // under the draft asked about
}

// Waiting is how ready a box is to be enforced.
type Waiting struct {
	Policy     string  `json:"policy"` // the riskiest that protects part of it
	AtRisk     float64 `json:"atRisk"` // legitimate dependencies that would probably be blocked
	Coverage   float64 `json:"coverage"`
	HalveAfter int     `json:"halveAfterDays"`
	Horizon    int     `json:"horizonDays"`
}

// ExposureSum is the blast radius of the whole estate.
type ExposureSum struct {
	Mean      float64 `json:"mean"`
	Worst     float64 `json:"worst"`
	WorstNode string  `json:"worstNode"`
	WorstName string  `json:"worstName"`
}

// sumOf names the worst node of e.
func (x *Index) sumOf(e *policy.Exposure) *ExposureSum {
	if e == nil {
		return nil
	}
	s := &ExposureSum{Mean: e.Mean, Worst: e.Worst, WorstNode: idNode + e.WorstNode, WorstName: e.WorstNode}
	if n, ok := x.byID[e.WorstNode]; ok {
		s.WorstName = nameOf(&x.Map.Graph.Nodes[n])
	}
	return s
}

// shade says of every box how far its worst workload reaches and how ready it is,
// as far as the query asks.
func (b *builder) shade(v *View) {
	if b.q.Exposed != nil {
		v.Exposure = &ExposurePair{Today: b.x.sumOf(b.q.Exposed.Today), Draft: b.x.sumOf(b.q.Exposed.Draft)}
	}
	for n, at := range b.at {
		for box := at; box >= 0; box = b.boxes[box].Parent {
			b.spread(&b.boxes[box], n)
			b.wait(&b.boxes[box], n)
		}
	}
}

// ExposurePair is the estate's blast radius today and under a draft.
type ExposurePair struct {
	Today *ExposureSum `json:"today"`
	Draft *ExposureSum `json:"draft,omitempty"`
}

func (b *builder) spread(box *Box, n int) {
	e := b.q.Exposed
	if e == nil || !b.x.Map.Graph.Nodes[n].Inside() {
		return
	}
	if box.Spread == nil {
		box.Spread = &Spread{}
		if e.Draft != nil {
			box.Spread.Draft = new(float64)
		}
	}
	box.Spread.Today = max(box.Spread.Today, share(e.Today, n))
	if e.Draft != nil {
		*box.Spread.Draft = max(*box.Spread.Draft, share(e.Draft, n))
	}
}

func share(e *policy.Exposure, n int) float64 {
	if e == nil || e.Inside < 2 {
		return 0
	}
	return float64(e.Reach[n]) / float64(e.Inside-1)
}

func (b *builder) wait(box *Box, n int) {
	if b.q.Ready == nil {
		return
	}
	r := b.q.Ready(int32(n))
	if r == nil || box.Waiting != nil && box.Waiting.AtRisk >= r.AtRisk {
		return
	}
	box.Waiting = &Waiting{Policy: r.Policy, AtRisk: r.AtRisk, Coverage: r.Coverage, HalveAfter: r.HalveAfter, Horizon: r.Horizon}
}
