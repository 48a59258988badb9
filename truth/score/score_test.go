package score_test

import (
	"math"
	"testing"

	"github.com/bulkhead/bulkhead/truth/score"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// The figures are worked by hand from the formulae of the two papers.
func TestPartitions(t *testing.T) {
	for _, c := range []struct {
		name      string
		want, got []int
		ari, v    float64
	}{
		{"equal under other names", []int{1, 1, 2, 2}, []int{7, 7, 3, 3}, 1, 1},
		{"all in one", []int{1, 1, 2, 2}, []int{1, 1, 1, 1}, 0, 0},
		{"all alone", []int{1, 1, 2, 2}, []int{1, 2, 3, 4}, 0, 2.0 / 3},
		// pairs: both 1, rows 2, columns 3, expected 2·3/6 = 1: no better than chance
		{"one moved", []int{1, 1, 2, 2}, []int{1, 1, 1, 2}, 0, 2 * (0.3112781244591328 / 1) * (0.3112781244591328 / 0.8112781244591328) / ((0.3112781244591328 / 1) + (0.3112781244591328 / 0.8112781244591328))},
		{"crossed", []int{1, 1, 2, 2}, []int{1, 2, 1, 2}, -0.5, 0},
	} {
		tab := score.Compare(c.want, c.got)
		if got := tab.ARI(); !near(got, c.ari) {
			t.Errorf("%s: ARI %v, want %v", c.name, got, c.ari)
		}
		if got, _, _ := tab.V(); !near(got, c.v) {
			t.Errorf("%s: V %v, want %v", c.name, got, c.v)
		}
	}
}

func TestSets(t *testing.T) {
	f := score.Sets(map[string]bool{"a": true, "b": true, "c": true}, map[string]bool{"a": true, "x": true})
	if f.Right != 1 || f.Wrong != 1 || f.Missed != 2 || f.Precision() != 0.5 || !near(f.Recall(), 1.0/3) {
		t.Errorf("%+v", f)
	}
	if (score.Found{}).Precision() != 1 {
		t.Error("nothing found and nothing to find is not wrong")
	}
}
