package nft

import (
	"errors"
	"testing"

	"github.com/bulkhead/bulkhead/policy"
)

// TestTooLargeIsAnError: a rule from everybody to everybody, in many groups, is
// refused rather than compiled into tens of millions of elements.
func TestTooLargeIsAnError(t *testing.T) {
	set, h := many(100_000)
	for i := range set.Policies { // every application may be used by all 52,000 workloads
		set.Policies[i].Rules[2].From = []policy.Peer{{Selector: policy.Selector{}}}
	}
	_, err := Compile(set, h)
	if !errors.Is(err, ErrTooLarge) {
		t.Fatalf("Compile = %v, want %v", err, ErrTooLarge)
	}
}
