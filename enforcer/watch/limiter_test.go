package watch

import (
	"net/netip"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

func event(at time.Duration, client string) policy.Violation {
	return policy.Violation{Time: flow.Time(at), Client: flow.Party{Addr: netip.MustParseAddr(client)}}
}

func TestLimiterLosesNothing(t *testing.T) {
	l := newLimiter(10*time.Second, 2)
	var out []policy.Violation
	take := func(at time.Duration, client string) {
		if v := event(at, client); l.add("rule", v) {
			out = append(out, v)
		}
	}
	for i := range 100 {
		take(time.Duration(i)*time.Millisecond, "10.0.0.1") // 1 reported, 99 folded
	}
	take(time.Second, "10.0.0.2")
	take(time.Second, "10.0.0.3") // one edge more than fits
	out = l.expire(flow.Time(5*time.Second), out)
	if len(out) != 2 {
		t.Fatalf("%d reports within the interval, want the first of each edge", len(out))
	}
	out = l.expire(flow.Time(10*time.Second), out)
	if len(out) != 3 || out[2].Suppressed != 98 {
		t.Fatalf("after the interval: %+v, want one summary with 98 suppressed", out[2:])
	}
	take(11*time.Second, "10.0.0.1")
	out = l.drain(out)
	total := l.overflow
	for _, v := range out {
		total += 1 + v.Suppressed
	}
	if total != 103 {
		t.Errorf("reported + suppressed + overflow = %d, want the 103 events", total)
	}
	if len(l.edges) != 0 {
		t.Errorf("%d edges kept after drain", len(l.edges))
	}
}
