package mapper

import (
	"cmp"
	"slices"
)

// Sketch size of a feature's set of items, and how much of two sketches must
// agree for the features to be one fact: the share that agrees estimates the
// Jaccard index of the sets (Broder, "On the resemblance and containment of
// documents", 1997, doi:10.1109/SEQUEN.1997.666900), so about 0.85.
const (
	sketchSize = 20
	sketchSame = 17
)

type sketch struct {
	feature uint64
	support int32
	min     [sketchSize]uint32
}

// withoutEchoes leaves of all features that nearly the same items have one: a
// served one if there is, then the one most items have.
func withoutEchoes(items [][]uint64) [][]uint64 {
	sketches := sketchFeatures(items)
	sets := newDisjoint(len(sketches))
	order := make([]int32, len(sketches))
	for i := range order {
		order[i] = int32(i)
	}
	for j := range sketchSize {
		slices.SortFunc(order, func(x, y int32) int {
			return cmp.Or(cmp.Compare(sketches[x].min[j], sketches[y].min[j]), cmp.Compare(x, y))
		})
		first := 0
		for k := 1; k < len(order); k++ {
			if sketches[order[k]].min[j] != sketches[order[first]].min[j] {
				first = k
				continue
			}
			for _, other := range [2]int32{order[k-1], order[first]} {
				if agree(&sketches[order[k]], &sketches[other]) {
					sets.union(order[k], other)
				}
			}
		}
	}
	return keepVoices(items, sketches, sets)
}

// sketchFeatures sketches every feature's set of items, ordered so that the
// voice to keep of any set comes first.
func sketchFeatures(items [][]uint64) []sketch {
	at := map[uint64]int32{}
	var sketches []sketch
	for i, feats := range items {
		var h [sketchSize]uint32
		for j := range h {
			h[j] = uint32(mix(uint64(i)*sketchSize+uint64(j)) >> 32)
		}
		for _, f := range feats {
			k, ok := at[f]
			if !ok {
				k = int32(len(sketches))
				at[f] = k
				sketches = append(sketches, sketch{feature: f, min: h})
			}
			s := &sketches[k]
			s.support++
			for j := range h {
				s.min[j] = min(s.min[j], h[j])
			}
		}
	}
	slices.SortFunc(sketches, func(a, b sketch) int {
		return cmp.Or(cmp.Compare(b.feature&1, a.feature&1), cmp.Compare(b.support, a.support), cmp.Compare(a.feature, b.feature))
	})
	return sketches
}

// agree compares two sketches. Sets of very few items must be equal: there is
// nothing to estimate.
func agree(a, b *sketch) bool {
	same := 0
	for j := range a.min {
		if a.min[j] == b.min[j] {
			same++
		}
	}
	if a.support < 8 || b.support < 8 {
		return same == sketchSize && a.support == b.support
	}
	return same >= sketchSame
}

// keepVoices drops every feature that is not the first of its set.
func keepVoices(items [][]uint64, sketches []sketch, sets *disjoint) [][]uint64 {
	echo := make(map[uint64]bool, len(sketches))
	for k := range sketches {
		if sets.find(int32(k)) != int32(k) {
			echo[sketches[k].feature] = true
		}
	}
	out := make([][]uint64, len(items))
	for i, feats := range items {
		for _, f := range feats {
			if !echo[f] {
				out[i] = append(out[i], f)
			}
		}
	}
	return out
}
