package direction

import (
	"slices"
	"testing"
)

// The tables are searched by halving, so an entry out of order would be lost.
func TestServiceTablesAreSorted(t *testing.T) {
	if !slices.IsSorted(tcpServices[:]) {
		t.Error("tcpServices")
	}
	if !slices.IsSorted(udpServices[:]) {
		t.Error("udpServices")
	}
}
