// Package score measures how far a result is from the truth: partitions by the
// adjusted Rand index and V-measure, findings by precision and recall.
package score

import (
	"cmp"
	"math"
	"slices"
)

// Table counts the items two partitions of the same things have in common; it is
// what every score of partitions is computed from.
type Table struct {
	n     int
	cells []int
	rows  []int // sizes of the true groups
	cols  []int // sizes of the found groups
}

// Compare builds the table of two labelings of the same items. It panics when
// their lengths differ.
func Compare[A, B cmp.Ordered](want []A, got []B) *Table {
	if len(want) != len(got) {
		panic("score: labelings of different length")
	}
	type cell struct {
		a A
		b B
	}
	cells, rows, cols := map[cell]int{}, map[A]int{}, map[B]int{}
	for i := range want {
		cells[cell{want[i], got[i]}]++
		rows[want[i]]++
		cols[got[i]]++
	}
	return &Table{len(want), sizes(cells), sizes(rows), sizes(cols)}
}

// sizes sorts so that sums of floats do not depend on map order.
func sizes[K comparable](m map[K]int) []int {
	out := make([]int, 0, len(m))
	for _, n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// Groups returns how many groups either side has.
func (t *Table) Groups() (want, got int) { return len(t.rows), len(t.cols) }

// ARI is the adjusted Rand index (Hubert and Arabie, "Comparing partitions",
// Journal of Classification 2, 1985, doi:10.1007/BF01908075): 1 for equal
// partitions, 0 for what chance would give, below for worse.
func (t *Table) ARI() float64 {
	both, rows, cols := pairs(t.cells), pairs(t.rows), pairs(t.cols)
	all := float64(t.n) * float64(t.n-1) / 2
	if all == 0 {
		return 1
	}
	expected, most := rows*cols/all, (rows+cols)/2
	if most == expected {
		return 1 // both are all-in-one or all-alone
	}
	return (both - expected) / (most - expected)
}

func pairs(sizes []int) (sum float64) {
	for _, n := range sizes {
		sum += float64(n) * float64(n-1) / 2
	}
	return sum
}

// V is the V-measure with its two halves (Rosenberg and Hirschberg, EMNLP-CoNLL
// 2007): homogeneity falls when found groups mix true ones, completeness when
// true groups are torn apart; V is their harmonic mean.
func (t *Table) V() (v, homogeneity, completeness float64) {
	hr, hc, hj := t.entropy(t.rows), t.entropy(t.cols), t.entropy(t.cells)
	homogeneity, completeness = 1, 1
	if hr > 0 {
		homogeneity = 1 - (hj-hc)/hr
	}
	if hc > 0 {
		completeness = 1 - (hj-hr)/hc
	}
	if homogeneity+completeness > 0 {
		v = 2 * homogeneity * completeness / (homogeneity + completeness)
	}
	return v, homogeneity, completeness
}

func (t *Table) entropy(sizes []int) (h float64) {
	for _, n := range sizes {
		p := float64(n) / float64(t.n)
		h -= p * math.Log(p)
	}
	return h
}

// Found counts right and wrong answers to "which of these are".
type Found struct {
	Right  int // found and true
	Wrong  int // found and not true
	Missed int // true and not found
}

// Sets compares two sets.
func Sets[K comparable](want, got map[K]bool) (f Found) {
	for k := range got {
		if want[k] {
			f.Right++
		} else {
			f.Wrong++
		}
	}
	for k := range want {
		if !got[k] {
			f.Missed++
		}
	}
	return f
}

// Precision is the share of what was found that is true; 1 when nothing was.
func (f Found) Precision() float64 { return ratio(f.Right, f.Right+f.Wrong) }

// Recall is the share of what is true that was found; 1 when nothing is.
func (f Found) Recall() float64 { return ratio(f.Right, f.Right+f.Missed) }

func ratio(a, b int) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}
