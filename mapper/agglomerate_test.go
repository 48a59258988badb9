package mapper

import (
	"math"
	"testing"
)

func TestLogGamma(t *testing.T) {
	for x := 0.001; x < 1e6; x *= 1.37 {
		want, _ := math.Lgamma(x)
		if got := logGamma(x); math.Abs(got-want) > 1e-8*max(1, math.Abs(want)) {
			t.Errorf("logGamma(%g) = %g, want %g", x, got, want)
		}
	}
}
