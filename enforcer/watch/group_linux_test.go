package watch

import "testing"

func TestSequenceGapsAreLosses(t *testing.T) {
	g := &Group{}
	for _, seq := range []uint32{0xfffffffe, 0xffffffff, 0, 3, 4} {
		g.sequence(seq)
	}
	if g.Lost() != 2 {
		t.Errorf("lost %d, want 2 (numbers 1 and 2)", g.Lost())
	}
}
