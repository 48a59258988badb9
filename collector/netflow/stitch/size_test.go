package stitch

import (
	"testing"
	"unsafe"
)

func TestEntriesStaySmall(t *testing.T) {
	if n := unsafe.Sizeof(entry{}); n > 280 {
		t.Errorf("an entry takes %d bytes; Options.MaxFlows says 280", n)
	}
}
