package policy_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// largeEstate is n workloads in n/40 applications of four roles, each
// application with a policy of rules/applications rules.
func largeEstate(n, rules int) (*policy.Set, []policy.Party) {
	apps := n / 40
	roles := []string{"web", "api", "db", "cache"}
	set := &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed()}
	for a := range apps {
		app := fmt.Sprintf("app%05d", a)
		p := policy.Policy{Name: app, Stage: policy.Enforce, Scope: policy.Select(topology.Labels{"app": app})}
		for r := range rules / apps {
			p.Rules = append(p.Rules, policy.Rule{Name: fmt.Sprint("r", r),
				From:     []policy.Peer{{Selector: policy.Select(topology.Labels{"role": roles[r%4], "app": fmt.Sprintf("app%05d", (a+r/4)%apps)})}},
				To:       []policy.Peer{{Selector: policy.Select(topology.Labels{"role": roles[(r+1)%4], "app": app})}},
				Services: []policy.Service{{Proto: flow.TCP, From: uint16(1000 + r), To: uint16(1000 + r)}}})
		}
		set.Policies = append(set.Policies, p)
	}
	parties := make([]policy.Party, n)
	for i := range parties {
		parties[i] = policy.Party{Addr: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Workload: true,
			Labels: topology.Labels{"role": roles[i%4], "app": fmt.Sprintf("app%05d", i/40), "env": "prod", "loc": "here"}}
	}
	return set, parties
}

// flowsOf draws flows between neighbouring applications, as estates have them.
func flowsOf(parties []policy.Party, n int) []policy.Facts {
	rng := rand.New(rand.NewPCG(1, 2))
	flows := make([]policy.Facts, n)
	for i := range flows {
		s := rng.IntN(len(parties))
		c := (s + rng.IntN(120)) % len(parties)
		flows[i] = policy.Facts{Client: parties[c], Server: parties[s], Service: flow.Service{Proto: flow.TCP, Port: uint16(995 + rng.IntN(20))}}
	}
	return flows
}

// perCPU reports flows judged per second of CPU time, whatever else the machine
// does meanwhile.
func perCPU(b *testing.B, flows int, begun time.Duration) {
	b.ReportMetric(float64(flows)/(cpuTime(b)-begun).Seconds(), "flows/cpu-s")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEvaluate judges flows of 100,000 workloads by 10,000 rules, labels and
// all, warm.
func BenchmarkEvaluate(b *testing.B) {
	set, parties := largeEstate(100_000, 10_000)
	flows := flowsOf(parties, 1<<18)
	e := policy.NewEvaluator(set)
	for _, f := range flows {
		e.Evaluate(f)
	}
	b.ReportAllocs()
	b.ResetTimer()
	begun := cpuTime(b)
	for i := range b.N {
		e.Evaluate(flows[i&(1<<18-1)])
	}
	perCPU(b, b.N, begun)
}

// BenchmarkEvaluateCold includes meeting every pair for the first time.
func BenchmarkEvaluateCold(b *testing.B) {
	set, parties := largeEstate(100_000, 10_000)
	flows := flowsOf(parties, 1<<20)
	begun := cpuTime(b)
	for b.Loop() {
		e := policy.NewEvaluator(set)
		for _, f := range flows {
			e.Evaluate(f)
		}
	}
	perCPU(b, len(flows)*b.N, begun)
}

func TestEvaluateDoesNotAllocate(t *testing.T) {
	set, parties := largeEstate(400, 100)
	flows := flowsOf(parties, 256)
	e := policy.NewEvaluator(set)
	i := 0
	judge := func() { e.Evaluate(flows[i%len(flows)]); i++ }
	for range flows {
		judge()
	}
	if n := testing.AllocsPerRun(1000, judge); n != 0 {
		t.Errorf("%v allocations per flow", n)
	}
}

// BenchmarkJudge is BenchmarkEvaluate for a caller that keeps the identities of
// its workloads, as simulation and blast radius do.
func BenchmarkJudge(b *testing.B) {
	set, parties := largeEstate(100_000, 10_000)
	e := policy.NewEvaluator(set)
	ids := make([]policy.Identity, len(parties))
	for i := range parties {
		ids[i] = e.Identify(&parties[i])
	}
	rng := rand.New(rand.NewPCG(1, 2))
	type seen struct {
		client, server policy.Identity
		svc            flow.Service
	}
	flows := make([]seen, 1<<18)
	for i := range flows {
		s := rng.IntN(len(parties))
		flows[i] = seen{ids[(s+rng.IntN(120))%len(parties)], ids[s], flow.Service{Proto: flow.TCP, Port: uint16(995 + rng.IntN(20))}}
		e.Judge(flows[i].client, flows[i].server, flows[i].svc, "", "")
	}
	b.ReportAllocs()
	b.ResetTimer()
	begun := cpuTime(b)
	for i := range b.N {
		f := &flows[i&(1<<18-1)]
		e.Judge(f.client, f.server, f.svc, "", "")
	}
	perCPU(b, b.N, begun)
}
