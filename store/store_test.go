package store_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/store/engine"
)

// shared is the engine all tests of the package use, each with a database of its
// own.
var shared struct {
	once sync.Once
	dir  string
	eng  *engine.Engine
	stop func() error
	err  error
	n    int
	mu   sync.Mutex
}

func TestMain(m *testing.M) {
	if engine.IsChild() {
		engine.ChildMain()
	}
	if childMain() {
		return
	}
	code := m.Run()
	if shared.stop != nil {
		if err := shared.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

func sharedEngine(t testing.TB) *engine.Engine {
	t.Helper()
	testenv.Need(t, "engine")
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "bulkhead-store"); shared.err != nil {
			return
		}
		shared.eng, shared.stop, shared.err = engine.Start(context.Background(), engine.Options{Dir: shared.dir})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.eng
}

// open returns a migrated store in a database of its own.
func open(t testing.TB) *store.Store {
	t.Helper()
	return openAt(t, databaseDSN(t, sharedEngine(t)))
}

func databaseDSN(t testing.TB, e *engine.Engine) string {
	t.Helper()
	shared.mu.Lock()
	shared.n++
	n := shared.n
	shared.mu.Unlock()
	return store.WithDatabase(e.DSN(), fmt.Sprintf("t%d", n))
}

func openAt(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

var day = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// record is an established web flow at the given hour of the test's day.
func record(id uint64, hour int) flow.Record {
	at := flow.TimeOf(day.Add(time.Duration(hour) * time.Hour))
	return flow.Record{
		ID:    id,
		Key:   flow.Key{Client: ip("10.0.0.1"), Server: ip("10.0.0.2"), ClientPort: 40000, ServerPort: 443, Proto: flow.TCP},
		First: at, Last: at.Add(time.Second + 7),
		ClientPackets: 3, ServerPackets: 4, ClientBytes: 300, ServerBytes: 4000,
		ClientFlags: flow.SYN | flow.ACK, ServerFlags: flow.SYN | flow.ACK | flow.FIN,
		Outcome: flow.Established, Evidence: flow.EvidenceSYN, Confidence: 99, End: flow.EndOfFlow,
		VLAN: 12, VNI: 77, Encap: flow.EncapVXLAN, SamplingRate: 10, Source: flow.SourceIPFIX,
		ClientWorkload: 1001, ServerWorkload: 1002, Sensor: "tap-1",
	}
}

func write(t testing.TB, s *store.Store, rs ...flow.Record) {
	t.Helper()
	w, err := s.NewWriter(t.Context(), store.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Records(rs); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	s := open(t)
	a, b := record(1, 3), record(2, 4)
	b.Key.Client, b.Key.Server = ip("2001:db8::1"), ip("2001:db8::2")
	b.Key.Scope, b.Split, b.Folded, b.Sensor = 9, 2, 5, "tap-2"
	b.Outcome = flow.Refused
	b.NAT = flow.NAT{Client: ip("192.0.2.1"), ClientPort: 7}
	write(t, s, a, b)
	got, err := s.Flows(t.Context(), store.FlowQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]flow.Record{b, a}, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
	first, last, err := s.Window(t.Context())
	if err != nil || first != a.First || last != b.Last {
		t.Errorf("window %v %v %v, want %v %v", first, last, err, a.First, b.Last)
	}
}

func TestEdgesAreEstablishedServiceOnly(t *testing.T) {
	s := open(t)
	a := record(1, 3)
	split := record(1, 4) // the same flow, continued
	split.Split, split.Confidence = 1, 79
	nextDay := record(2, 30)
	nextDay.Sensor, nextDay.Evidence = "tap-2", flow.EvidenceFirstSeen
	refused := record(3, 5)
	refused.Outcome, refused.Folded, refused.Key.ServerPort = flow.Refused, 41, 22
	write(t, s, a, split, nextDay, refused)

	edges, err := s.Edges(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	want := []flow.Edge{{
		Client: flow.Party{Addr: ip("10.0.0.1"), Workload: 1001}, Server: flow.Party{Addr: ip("10.0.0.2"), Workload: 1002},
		Service: flow.Service{Proto: flow.TCP, Port: 443},
		EdgeStats: flow.EdgeStats{Flows: 2, Packets: 21, Bytes: 12900, First: a.First, Last: nextDay.Last,
			Days: 2, Hours: 3, Evidence: flow.EvidenceSYN, Confidence: (99 + 79 + 99) / 3, Sensors: 2},
	}}
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if d := cmp.Diff(want, edges, same); d != "" {
		t.Errorf("edges (-want +got):\n%s", d)
	}
	probes, err := s.Probes(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	wantProbes := []flow.Probe{{Client: want[0].Client, Server: want[0].Server, Service: flow.Service{Proto: flow.TCP, Port: 22},
		Outcome: flow.Refused, Attempts: 42, Targets: 42, First: refused.First, Last: refused.Last}}
	if d := cmp.Diff(wantProbes, probes, same); d != "" {
		t.Errorf("probes (-want +got):\n%s", d)
	}
}

func TestEdgesOfAWindow(t *testing.T) {
	s := open(t)
	write(t, s, record(1, 3), record(2, 30))
	for _, c := range []struct {
		name string
		q    store.Query
		want uint64 // flows of the one edge; 0: no edge
	}{
		{"all", store.Query{}, 2},
		{"second day", store.Query{Since: flow.TimeOf(day.Add(24 * time.Hour))}, 1},
		{"first day", store.Query{Until: flow.TimeOf(day.Add(24 * time.Hour))}, 1},
		{"an hour counts whole", store.Query{Since: flow.TimeOf(day.Add(3*time.Hour + 30*time.Minute))}, 2},
		{"before", store.Query{Until: flow.TimeOf(day)}, 0},
		{"workload", store.Query{Workload: 1002}, 2},
		{"other workload", store.Query{Workload: 7}, 0},
		{"address", store.Query{Addr: ip("10.0.0.1")}, 2},
		{"server", store.Query{Server: ip("10.0.0.1")}, 0},
		{"service", store.Query{Service: &flow.Service{Proto: flow.TCP, Port: 443}}, 2},
		{"sensor", store.Query{Sensors: []string{"tap-1", "it's"}}, 2},
		{"other sensor", store.Query{Sensors: []string{`\'`}}, 0},
		{"any client by key", store.Query{ClientAny: []flow.Party{{Workload: 5}, {Workload: 1001}}}, 2},
		{"any server by address", store.Query{ServerAny: []flow.Party{{Addr: ip("10.0.0.2")}, {Addr: ip("10.0.0.9")}}}, 2},
		{"any server in another scope", store.Query{ServerAny: []flow.Party{{Addr: ip("10.0.0.2"), Scope: 3}}}, 0},
		{"parties that name nobody", store.Query{ClientAny: []flow.Party{{}}}, 0},
		{"new since day two", store.Query{NewSince: flow.TimeOf(day.Add(24 * time.Hour))}, 0},
		{"new since day one", store.Query{NewSince: flow.TimeOf(day)}, 2},
		{"top", store.Query{Top: 5}, 2},
	} {
		edges, err := s.Edges(t.Context(), c.q)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got uint64
		for _, e := range edges {
			got += e.Flows
		}
		if got != c.want {
			t.Errorf("%s: %d flows, want %d", c.name, got, c.want)
		}
	}
}

func TestNamesMerge(t *testing.T) {
	s := open(t)
	n := flow.Name{Addr: ip("10.0.0.2"), Name: "db.example.com", Kind: flow.NameDNS, First: 100, Last: 200, Count: 2, Sensor: "tap-1"}
	later := n
	later.First, later.Last, later.Count = 150, 900, 5
	for _, x := range []flow.Name{n, later} {
		w, err := s.NewWriter(t.Context(), store.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Names([]flow.Name{x}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Names(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	want := n
	want.Last, want.Count = 900, 7
	if d := cmp.Diff([]flow.Name{want}, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
}

func TestForgetTraffic(t *testing.T) {
	s := open(t)
	write(t, s, record(1, 3))
	if _, err := s.SaveDocument(t.Context(), store.Document{Kind: "policy", Name: "p", Content: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Rows(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d rows, %v; want 1", n, err)
	}
	if err := s.ForgetTraffic(t.Context()); err != nil {
		t.Fatal(err)
	}
	edges, err := s.Edges(t.Context(), store.Query{})
	if n, _ := s.Rows(t.Context()); n != 0 || err != nil || len(edges) != 0 {
		t.Errorf("%d rows and %d edges stay, %v", n, len(edges), err)
	}
	if _, err := s.LoadDocument(t.Context(), "policy", "p", 0); err != nil {
		t.Errorf("document went too: %v", err)
	}
	write(t, s, record(1, 3))
	if n, _ := s.Rows(t.Context()); n != 1 {
		t.Errorf("%d rows after writing again, want 1", n)
	}
}
