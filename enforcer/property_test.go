package enforcer_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/enforcer/nft"
)

// TestMonitorCannotDrop: whatever the policies are, a ruleset compiled for
// monitoring holds nothing that could end a packet: no drop, no reject, in no
// rule and no map, reachable or not.
func TestMonitorCannotDrop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := newEstate(rapid.Uint64().Draw(t, "seed"))
		e.host.MonitorOnly = true
		e.host.Mode = nft.Mode(rapid.IntRange(0, 1).Draw(t, "mode"))
		e.host.Self = []string{e.host.Workloads[0].ID}
		r, err := nft.Compile(e.set, e.host)
		if err != nil {
			t.Fatal(err)
		}
		if where := endings(&r); len(where) > 0 {
			t.Fatalf("a ruleset in monitor can drop in %v:\n%s", where, r)
		}
	})
}

// TestEnforceCanDrop shows that the property above can fail.
func TestEnforceCanDrop(t *testing.T) {
	found := 0
	for seed := range uint64(50) {
		e := newEstate(seed)
		e.host.Mode = nft.ModeGateway
		r, err := nft.Compile(e.set, e.host)
		if err != nil {
			t.Fatal(err)
		}
		found += min(1, len(endings(&r)))
	}
	if found < 20 {
		t.Errorf("only %d of 50 rulesets with enforced policies can drop", found)
	}
}

// endings lists the chains and maps in which a packet could end other than by
// being accepted.
func endings(r *nft.Ruleset) (where []string) {
	harmless := func(v nft.Verdict) bool {
		return v.Code == nft.Accept || v.Code == nft.Return || v.Code == nft.Jump || v.Code == nft.Goto
	}
	for _, c := range r.Chains {
		for _, rule := range c.Rules {
			for _, x := range rule {
				v, isVerdict := x.(nft.Verdict)
				_, isReset := x.(nft.Reset)
				if isReset || isVerdict && !harmless(v) {
					where = append(where, c.Name)
				}
			}
		}
	}
	for _, s := range r.Sets {
		for _, v := range s.Targets {
			if !harmless(v) {
				where = append(where, s.Name)
			}
		}
	}
	return where
}

// TestCompileIsDeterministic: the same set and host, whatever order the inventory
// lists its workloads in, give the same bytes.
func TestCompileIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		var texts [2]string
		for i := range texts {
			e := newEstate(seed)
			e.host.Mode = nft.ModeGateway
			if i == 1 {
				w := e.host.Workloads
				e.r.Shuffle(len(w), func(i, j int) { w[i], w[j] = w[j], w[i] })
			}
			r, err := nft.Compile(e.set, e.host)
			if err != nil {
				t.Fatal(err)
			}
			texts[i] = r.String()
		}
		if texts[0] != texts[1] {
			t.Fatalf("two compilations differ:\n%s\n---\n%s", texts[0], texts[1])
		}
	})
}
