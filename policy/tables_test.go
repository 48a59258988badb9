package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// What the tables remember while they grow is what a map would.
func TestTablesRemember(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	pairs, known := newPairTable(minPairSlots), map[uint64]*table{}
	parties, ids := newPartyTable(minPartySlots), map[int]Identity{}
	list := make([]Party, 5000)
	for i := range list {
		list[i] = Party{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 9), byte(i >> 1)}), Workload: i%2 == 0, Labels: topology.Labels{"n": fmt.Sprint(i)}}
		if i%3 == 0 {
			list[i].Labels = nil
		}
	}
	for range 20_000 {
		key := pairKey(Identity(rng.IntN(100)), Identity(rng.IntN(100)))
		if p := pairs.get(key); (p == nil) != (known[key] == nil) || p != nil && p.in != known[key] {
			t.Fatalf("pair %x: %v, want %v", key, p, known[key])
		}
		if known[key] == nil {
			known[key] = &table{}
			pairs = pairs.with(key, pair{in: known[key]})
		}
		n := rng.IntN(len(list))
		k := partyKey(&list[n])
		want, had := ids[n]
		if id, ok := parties.get(&list[n], k); ok != had || id != want {
			t.Fatalf("party %d: %d %t, want %d %t", n, id, ok, want, had)
		}
		if !had {
			ids[n] = Identity(n)
			parties = parties.with(&list[n], k, Identity(n))
		}
	}
}

// Many may judge by one evaluator while it learns; all get what Evaluate says.
func TestAnEvaluatorIsSharedSafely(t *testing.T) {
	set := &Set{AlwaysAllowed: DefaultAlwaysAllowed()}
	for i := range 20 {
		app := fmt.Sprint("app", i)
		set.Policies = append(set.Policies, Policy{Name: app, Stage: Enforce, Scope: Select(topology.Labels{"app": app}), Rules: []Rule{{Name: "r",
			From: []Peer{{Selector: Select(topology.Labels{"app": fmt.Sprint("app", i/2)})}}, To: []Peer{{Any: true}}, Services: []Service{port(flow.TCP, uint16(i))}}}})
	}
	parties := make([]Party, 600)
	for i := range parties {
		parties[i] = Party{Addr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Workload: true, Labels: topology.Labels{"app": fmt.Sprint("app", i%25), "n": fmt.Sprint(i)}}
	}
	e := NewEvaluator(set)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for range 3000 {
				f := Facts{Client: parties[rng.IntN(len(parties))], Server: parties[rng.IntN(len(parties))], Service: flow.Service{Proto: flow.TCP, Port: uint16(rng.IntN(20))}}
				if got, want := e.Evaluate(f), Evaluate(set, f); got != want {
					t.Errorf("%v: %v, want %v", f, got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
