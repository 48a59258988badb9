package store_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/store/engine"
)

func TestSensorUserMayOnlyInsert(t *testing.T) {
	testenv.Need(t, "engine")
	const password = `it's \ a "secret"`
	e, stop, err := engine.Start(t.Context(), engine.Options{Dir: t.TempDir(),
		Users: []engine.User{{Name: "branch_7", Password: password, Grants: store.SensorGrants("bulkhead")}}})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	s := openAt(t, e.DSN())
	u, err := url.Parse(e.DSN())
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("branch_7", password)
	sensor, err := store.Open(t.Context(), store.Options{DSN: u.String()})
	if err != nil {
		t.Fatal(err)
	}
	defer sensor.Close()
	w := newWriter(t, sensor, store.WriterOptions{SpoolDir: t.TempDir()})
	if err := w.Records([]flow.Record{record(1, 1)}); err != nil {
		t.Fatal(err)
	}
	if err := w.Names([]flow.Name{{Addr: ip("10.0.0.1"), Name: "x", First: 1, Last: 1, Count: 1}}); err != nil {
		t.Fatal(err)
	}
	flush(t, w)
	if n, err := s.Rows(t.Context()); n != 1 || err != nil {
		t.Errorf("%d rows, %v; want the sensor's one", n, err)
	}
	if edges := edgesOf(t, s, store.Query{}); len(edges) != 1 {
		t.Errorf("the sensor's row is in no edge: %+v", edges)
	}
	_, flowsErr := sensor.Flows(t.Context(), store.FlowQuery{})
	_, edgesErr := sensor.Edges(t.Context(), store.Query{})
	_, docErr := sensor.SaveDocument(t.Context(), store.Document{Kind: "policy", Name: "evil"})
	for what, err := range map[string]error{"flows": flowsErr, "edges": edgesErr, "documents": docErr, "forget": sensor.ForgetTraffic(t.Context())} {
		if store.ErrorCode(err) != 497 { // ACCESS_DENIED
			t.Errorf("%s: got %v, want access denied", what, err)
		}
	}
	// The library keeps no users of its own, and says so; a server would.
	if err := s.CreateSensorUser(t.Context(), "branch-8", password); !errors.Is(err, store.ErrNoUsers) {
		t.Errorf("got %v, want ErrNoUsers", err)
	}
	if err := s.CreateSensorUser(t.Context(), "x'; DROP", password); err == nil || errors.Is(err, store.ErrNoUsers) {
		t.Errorf("a name with a quote: %v", err)
	}
}

func TestViolations(t *testing.T) {
	s := open(t)
	v := policy.Violation{Time: at(1), Client: flow.Party{Addr: ip("10.0.0.1"), Workload: 1}, Server: flow.Party{Addr: ip("10.0.0.2"), Workload: 2},
		ClientPort: 50000, Service: flow.Service{Proto: flow.TCP, Port: 22}, Inbound: true, Outcome: policy.WouldBlock,
		Policy: "pay", Rule: "", Hash: "abc", Host: "web1", Process: "sshd", Suppressed: 4}
	blocked := v
	blocked.Time, blocked.Outcome, blocked.Policy, blocked.Suppressed = at(2), policy.Blocked, "it's", 0
	w := newWriter(t, s, store.WriterOptions{})
	if err := w.Violations([]policy.Violation{v, blocked}); err != nil {
		t.Fatal(err)
	}
	flush(t, w)
	for _, c := range []struct {
		name string
		q    store.ViolationQuery
		want []policy.Violation
	}{
		{"all, newest first", store.ViolationQuery{}, []policy.Violation{blocked, v}},
		{"blocked", store.ViolationQuery{EnforcedOnly: true}, []policy.Violation{blocked}},
		{"policy", store.ViolationQuery{Policy: "pay"}, []policy.Violation{v}},
		{"since", store.ViolationQuery{Query: store.Query{Since: at(1.5)}}, []policy.Violation{blocked}},
		{"until", store.ViolationQuery{Query: store.Query{Until: at(1.5)}}, []policy.Violation{v}},
		{"after", store.ViolationQuery{After: at(1)}, []policy.Violation{blocked}},
		{"limit", store.ViolationQuery{Limit: 1}, []policy.Violation{blocked}},
	} {
		got, err := s.Violations(t.Context(), c.q)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, got, sameAddr); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
	counts, err := s.ViolationCounts(t.Context(), store.ViolationQuery{})
	want := []store.ViolationCount{
		{Client: v.Client, Server: v.Server, Service: v.Service, Policy: "pay", Outcome: policy.WouldBlock, Events: 5, First: v.Time, Last: v.Time},
		{Client: v.Client, Server: v.Server, Service: v.Service, Policy: "it's", Outcome: policy.Blocked, Events: 1, First: blocked.Time, Last: blocked.Time},
	}
	if d := cmp.Diff(want, counts, sameAddr); d != "" || err != nil {
		t.Errorf("counts %v (-want +got):\n%s", err, d)
	}
}

func TestSensorHealthKeepsTheLatest(t *testing.T) {
	s := open(t)
	now := time.Now().UTC().Truncate(time.Millisecond) // reports expire, so they are of today
	old := store.SensorHealth{Time: now, Sensor: "tap-1", Kind: "tap", State: "ok", Counters: map[string]uint64{"packets": 1}, Drops: map[string]uint64{}}
	latest := old
	latest.Time, latest.State, latest.Drops = now.Add(time.Minute), "degraded", map[string]uint64{"kernel": 9}
	if err := s.ReportHealth(t.Context(), []store.SensorHealth{latest, old}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Health(t.Context())
	if d := cmp.Diff([]store.SensorHealth{latest}, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}
