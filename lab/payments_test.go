package lab_test

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/lab"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// The whole way on a real network: discover, recommend, monitor, enforce, roll
// back.
func TestPaymentSegmentFromDiscoveryToRollback(t *testing.T) {
	l := up(t, lab.Options{Topology: lab.Payments()})
	if err := l.Traffic(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.StopTap(); err != nil {
		t.Fatal(err)
	}

	// Discover and design.
	m := discover(t, l)
	rec, err := recommender.Recommend(m, nil, recommender.Options{Level: policy.ServiceLevel, Networks: l.Inventory().Networks})
	if err != nil {
		t.Fatal(err)
	}
	before, after := reach(t, m, nil), reach(t, m, rec.Set)
	if before < 5 || after != 1 {
		t.Errorf("the vendor reaches %d workloads today and %d under the recommendation, want at least 5 and 1 (building management)", before, after)
	}
	if !slices.ContainsFunc(rec.Decisions, func(d policy.Decision) bool { return d.Concern == policy.ConcernVendor }) {
		t.Errorf("no decision about the vendor among %d", len(rec.Decisions))
	}

	// Monitor: nothing is blocked, what discovery missed is reported.
	g := newGateway(t, l)
	g.apply(t, staged(rec.Set, policy.Monitor))
	must(t, l, append(lab.Payments().Calls, lab.MonthEnd())...)
	seen := g.await(t, func(v policy.Violation) bool { return v.Service == lab.MonthEnd().Service })
	if seen.Outcome != policy.WouldBlock || seen.Client.Addr != l.Host("settlement").Addr || seen.Server.Addr != l.Host("paydb").Addr {
		t.Errorf("monitor reports %+v, want that settlement would be kept from the payment database", seen)
	}
	g.await(t, func(v policy.Violation) bool { return v.Client.Addr == l.Host("vendor").Addr })

	// What was missed becomes a rule; then enforce.
	set := staged(allow(t, rec.Set, l.Host("settlement").Labels, l.Host("paydb").Labels, seen.Service), policy.Enforce)
	g.apply(t, set)
	legitimate := slices.DeleteFunc(lab.Payments().Calls, func(c lab.Call) bool { return c.From == "vendor" && c.To == "files" })
	must(t, l, append(legitimate, lab.MonthEnd())...)
	if err := l.Call(t.Context(), lab.TooMuch()); err == nil {
		t.Error("the vendor still reaches the store's files")
	}
	g.await(t, func(v policy.Violation) bool {
		return v.Outcome == policy.Blocked && v.Client.Addr == l.Host("vendor").Addr
	})

	// Roll back: as it was.
	if err := g.kernel.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, l, lab.TooMuch())
}

// must makes calls that have to succeed.
func must(t *testing.T, l *lab.Lab, calls ...lab.Call) {
	t.Helper()
	for _, c := range calls {
		if err := l.Call(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
}

// discover makes a map of what was captured, with the inventory's labels.
func discover(t *testing.T, l *lab.Lab) *topology.Map {
	t.Helper()
	index, err := topology.NewIndex(l.Inventory())
	if err != nil {
		t.Fatal(err)
	}
	var s sink
	if _, err := collector.Import(t.Context(), l.CaptureFile(), collector.Options{}, &s); err != nil {
		t.Fatal(err)
	}
	type triple struct {
		client, server flow.Party
		service        flow.Service
	}
	sums := map[triple]flow.EdgeStats{}
	for i := range s.records {
		r := &s.records[i]
		index.Stamp(r)
		if r.Outcome != flow.Established {
			continue
		}
		k := triple{flow.Party{Addr: r.Key.Client, Workload: r.ClientWorkload}, flow.Party{Addr: r.Key.Server, Workload: r.ServerWorkload}, r.Key.Service()}
		stats := sums[k]
		stats.Merge(flow.EdgeStats{Flows: 1, Packets: r.ClientPackets + r.ServerPackets, Bytes: r.ClientBytes + r.ServerBytes,
			First: r.First, Last: r.Last, Days: 1, Hours: 1, Sensors: 1, Evidence: r.Evidence, Confidence: r.Confidence})
		sums[k] = stats
	}
	in := mapper.Input{Names: s.names, Index: index}
	for k, stats := range sums {
		in.Edges = append(in.Edges, flow.Edge{Client: k.client, Server: k.server, Service: k.service, EdgeStats: stats})
	}
	m, err := mapper.Build(in, mapper.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func reach(t *testing.T, m *topology.Map, set *policy.Set) int {
	t.Helper()
	if set != nil {
		set = staged(set, policy.Enforce)
	}
	r, err := recommender.BlastRadius(m, set, "net:vendor-vpn")
	if err != nil {
		t.Fatal(err)
	}
	return r.Reachable
}

// staged is the set with every policy at a stage.
func staged(set *policy.Set, stage policy.Stage) *policy.Set {
	out := *set
	out.Policies = slices.Clone(set.Policies)
	for i := range out.Policies {
		out.Policies[i].Stage = stage
	}
	return &out
}

// allow adds a rule between two roles to the policy of the server's application.
func allow(t *testing.T, set *policy.Set, client, server topology.Labels, svc flow.Service) *policy.Set {
	t.Helper()
	out := staged(set, policy.Draft)
	for i := range out.Policies {
		p := &out.Policies[i]
		if !slices.ContainsFunc(p.Scope, func(r policy.Requirement) bool {
			return r.Key == topology.LabelApp && slices.Contains(r.In, server[topology.LabelApp])
		}) {
			continue
		}
		p.Rules = append(slices.Clone(p.Rules), policy.Rule{Name: "month-end", From: []policy.Peer{{Selector: selector(client)}}, To: []policy.Peer{{Selector: selector(server)}},
			Services: []policy.Service{{Proto: svc.Proto, From: svc.Port, To: svc.Port}}})
		return out
	}
	t.Fatalf("no policy protects %s", server)
	return nil
}

func selector(l topology.Labels) (s policy.Selector) {
	for _, k := range l.Keys() {
		s = append(s, policy.Requirement{Key: k, In: []string{l[k]}})
	}
	return s
}

// gateway is the lab's router as an enforcement point.
type gateway struct {
	host   nft.Host
	kernel *nft.Kernel
	book   watch.Book
	mu     sync.Mutex
	seen   []policy.Violation
}

func newGateway(t *testing.T, l *lab.Lab) *gateway {
	t.Helper()
	ns, err := os.Open("/run/netns/" + l.Host("router").Namespace)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{host: nft.HostOf(l.Inventory(), time.Now())}
	g.host.Name, g.host.Mode = "router", nft.ModeGateway
	if g.kernel, err = nft.Open(int(ns.Fd())); err != nil {
		t.Fatal(err)
	}
	listener := watch.New(watch.Options{NetNS: int(ns.Fd()), Host: "router"}, &g.book, g)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- listener.Run(ctx) }()
	select {
	case <-listener.Ready():
	case err := <-done:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		g.kernel.Close()
		ns.Close()
	})
	return g
}

func (g *gateway) apply(t *testing.T, set *policy.Set) {
	t.Helper()
	ruleset, err := nft.Compile(set, g.host)
	if err != nil {
		t.Fatal(err)
	}
	g.book.Set(&ruleset)
	if _, err := g.kernel.Apply(t.Context(), ruleset); err != nil {
		t.Fatal(err)
	}
}

// Violations implements watch.Sink.
func (g *gateway) Violations(v []policy.Violation) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = append(g.seen, v...)
	return nil
}

// await returns the first violation that matches, as soon as it is reported.
func (g *gateway) await(t *testing.T, match func(policy.Violation) bool) policy.Violation {
	t.Helper()
	for range 600 { // half a minute
		g.mu.Lock()
		i := slices.IndexFunc(g.seen, match)
		if i >= 0 {
			defer g.mu.Unlock()
			return g.seen[i]
		}
		g.mu.Unlock()
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("not reported; the gateway saw %+v", g.seen)
	return policy.Violation{}
}
