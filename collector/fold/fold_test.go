package fold_test

import (
	"net/netip"
	"testing"

	"github.com/bulkhead/bulkhead/collector/fold"
	"github.com/bulkhead/bulkhead/flow"
)

func attempt(client byte, n int, at flow.Time) *flow.Record {
	return &flow.Record{ID: uint64(n + 1), First: at, Last: at, ClientPackets: 1, Outcome: flow.Unanswered,
		Key: flow.Key{Client: netip.AddrFrom4([4]byte{10, 0, 0, client}), Server: netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}), ServerPort: uint16(n), Proto: flow.TCP}}
}

// Whatever is taken comes out again, as records and the number folded into them.
func TestNothingIsLost(t *testing.T) {
	var out []flow.Record
	f := fold.New(10, func(r *flow.Record) { out = append(out, *r) })
	own := 0
	const n = 1000
	for i := range n {
		at := flow.Time(i) * 1e8 // 100 s in all: two windows
		if !f.Takes(attempt(byte(i%2), i, at)) {
			own++
		}
		f.Expire(at)
	}
	f.Flush()
	folded, packets := uint64(0), uint64(0)
	for _, r := range out {
		folded += uint64(r.Folded)
		packets += r.ClientPackets
	}
	if own+len(out)+int(folded) != n || folded != f.Folded() || int(packets) != n-own {
		t.Errorf("%d own + %d records + %d folded (%d counted, %d packets), of %d", own, len(out), folded, f.Folded(), packets, n)
	}
	if own != 2*2*10 || len(out) != 2*2 {
		t.Errorf("%d with a record of their own, %d folded records", own, len(out))
	}
}

func TestRecordsAreCopied(t *testing.T) {
	f := fold.New(1, func(r *flow.Record) {
		if r.Key.ServerPort != 1 || r.Folded != 1 {
			t.Errorf("%+v", r)
		}
	})
	for i := range 3 {
		r := attempt(7, i, 1)
		f.Takes(r)
		*r = flow.Record{}
	}
	f.Flush()
}
