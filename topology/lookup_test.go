package topology

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// TestLookupEqualsTheMap asks the table and the map it was made of about many
// addresses, held and not, at many times.
func TestLookupEqualsTheMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	address := func() netip.Addr {
		n := rng.Uint32N(4000)
		if n%5 == 0 {
			return netip.AddrFrom16([16]byte{0: 0xfd, 14: byte(n >> 8), 15: byte(n)})
		}
		return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
	}
	start := time.Unix(1_700_000_000, 0)
	inv := &Inventory{}
	seen := map[scoped]bool{}
	for i := range 2000 {
		a, scope := address(), flow.Scope(rng.Uint32N(3))
		if seen[scoped{a, scope}] {
			continue
		}
		seen[scoped{a, scope}] = true
		w := Workload{ID: time.Duration(i).String(), Addresses: []Address{{Addr: a, Scope: scope}}}
		if i%3 == 0 { // held by this one until, and by another from
			w.Addresses[0].To = start
			inv.Workloads = append(inv.Workloads, Workload{ID: w.ID + "-next", Addresses: []Address{{Addr: a, Scope: scope, From: start.Add(time.Hour)}}})
		}
		inv.Workloads = append(inv.Workloads, w)
	}
	x, err := NewIndex(inv)
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 {
		a, scope := address(), flow.Scope(rng.Uint32N(4))
		at := flow.TimeOf(start) + flow.Time(rng.Int64N(7200e9)) - 1800e9
		var want uint64
		for _, h := range x.byAddr[scoped{a, scope}] {
			if h.from <= at && (h.to == 0 || at < h.to) {
				want = h.key
			}
		}
		if got := x.KeyAt(a, scope, at); got != want {
			t.Fatalf("%v scope %d at %v: got %d, want %d", a, scope, at.Std(), got, want)
		}
	}
	if got := x.KeyAt(netip.Addr{}, 0, 1); got != 0 {
		t.Errorf("nobody's address is held by %d", got)
	}
}

func BenchmarkStamp(b *testing.B) {
	inv := &Inventory{}
	for i := range 22_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		inv.Workloads = append(inv.Workloads, Workload{ID: a.String(), Addresses: []Address{{Addr: a}}})
	}
	x, err := NewIndex(inv)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	records := make([]flow.Record, 1024)
	for i := range records {
		n, m := rng.Uint32N(22_000), rng.Uint32N(22_000)
		records[i].Key.Client = netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		records[i].Key.Server = netip.AddrFrom4([4]byte{10, byte(m >> 16), byte(m >> 8), byte(m)})
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		x.Stamp(&records[i&1023])
		i++
	}
}
