package enforcer_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// paper is a kernel that holds what it is given.
type paper struct {
	held       nft.Ruleset
	generation uint32
	gone       bool
}

func (p *paper) Apply(_ context.Context, r nft.Ruleset) (nft.Applied, error) {
	p.held, p.gone = r, false
	p.generation++
	return nft.Applied{}, nil
}
func (p *paper) Drift(*nft.Ruleset) (nft.Changes, error) { return nft.Changes{}, nil }
func (p *paper) Generation() (uint32, error)             { return p.generation, nil }
func (p *paper) Remove(context.Context) error            { p.gone = true; return nil }

// blocks reports whether anything in the ruleset held can drop.
func (p *paper) blocks() bool { return !p.gone && strings.Contains(p.held.String(), " drop") }

// desk is an enforcer on paper with a clock that stands.
type desk struct {
	t      *testing.T
	dir    string
	now    time.Time
	kernel *paper
	*enforcer.Enforcer
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, dir: t.TempDir(), now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), kernel: &paper{}}
	d.open()
	return d
}

func (d *desk) open() {
	d.t.Helper()
	e, err := enforcer.Open(enforcer.Options{Kernel: d.kernel, Dir: d.dir, Now: func() time.Time { return d.now }, Author: "guard"})
	if err != nil {
		d.t.Fatal(err)
	}
	d.Enforcer = e
}

func (d *desk) apply(set *policy.Set, care *enforcer.Aftercare) *enforcer.Version {
	d.t.Helper()
	v, err := d.Apply(d.t.Context(), enforcer.Request{Set: set, Host: shopHost(), Author: "ann", Reason: "test", Aftercare: care})
	if err != nil {
		d.t.Fatal(err)
	}
	if !v.Deadline.IsZero() {
		if err := d.Confirm(d.t.Context()); err != nil {
			d.t.Fatal(err)
		}
	}
	return v
}

func (d *desk) guard() {
	d.t.Helper()
	if err := d.Guard(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// block reports blocked connections: "10.0.0.7 db tcp/22".
func (d *desk) block(lines ...string) {
	d.t.Helper()
	for _, line := range lines {
		w := strings.Fields(line)
		svc, err := flow.ParseService(w[2])
		if err != nil {
			d.t.Fatal(err)
		}
		v := policy.Violation{Time: flow.TimeOf(d.now), Client: flow.Party{Addr: at(w[0])}, Server: flow.Party{Addr: at(w[1])}, Service: svc, Outcome: policy.Blocked}
		if err := d.Violations([]policy.Violation{v}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// shopAddrs are the hosts of a small shop.
var shopAddrs = map[string]string{"web1": "10.0.0.1", "web2": "10.0.0.2", "db": "10.0.0.9", "backup": "10.0.0.20", "cron": "10.0.0.21"}

func at(name string) netip.Addr {
	if a, ok := shopAddrs[name]; ok {
		return netip.MustParseAddr(a)
	}
	return netip.MustParseAddr(name)
}

func shopHost() nft.Host {
	h := nft.Host{Mode: nft.ModeGateway, Networks: []topology.Network{{Name: "vendor", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}}
	for _, name := range []string{"backup", "cron", "db", "web1", "web2"} {
		h.Workloads = append(h.Workloads, nft.Workload{ID: name, Labels: topology.Labels{"role": strings.TrimRight(name, "12")}, Addrs: []netip.Addr{at(name)}})
	}
	return h
}

// shop lets web reach the database on the ports and nobody else anything.
func shop(stage policy.Stage, ports ...uint16) *policy.Set {
	p := policy.Policy{Name: "shop-db", Scope: policy.Select(topology.Labels{"role": "db"}), Stage: stage}
	for _, port := range ports {
		p.Rules = append(p.Rules, policy.Rule{Name: "web-" + policy.ServiceOf(flow.Service{Proto: flow.TCP, Port: port}).String()[4:],
			From: []policy.Peer{{Selector: policy.Select(topology.Labels{"role": "web"})}}, To: []policy.Peer{{Selector: policy.Select(topology.Labels{"role": "db"})}},
			Services: []policy.Service{{Proto: flow.TCP, From: port, To: port}}})
	}
	return &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed(), Policies: []policy.Policy{p}}
}

func edge(client, server, service string) enforcer.Edge {
	svc, err := flow.ParseService(service)
	if err != nil {
		panic(err)
	}
	return enforcer.Edge{Client: client, Server: server, Service: svc}
}

// forecast is a care that bears so much harm.
func forecast(bear int) *enforcer.Aftercare {
	return &enforcer.Aftercare{Bear: bear, Since: 1, Until: 2,
		Foreseen: []enforcer.Edge{edge("net:vendor", "db", "tcp/22"), edge("internet", "db", "tcp/5432")},
		Kept:     []enforcer.Edge{edge("web1", "db", "tcp/5432"), edge("web2", "db", "tcp/5432")}}
}

// What is weighed: nothing that was forecast, one for each dependency blocked
// against the forecast, one for each workload that nobody had foreseen, one for
// all strangers together.
func TestHarmOfAChange(t *testing.T) {
	for name, c := range map[string]struct {
		blocked []string
		harm    int
	}{
		"as forecast, by network and internet": {[]string{"192.0.2.7 db tcp/22", "192.0.2.8 db tcp/22", "8.8.8.8 db tcp/5432"}, 0},
		"against the forecast":                 {[]string{"web1 db tcp/5432", "web1 db tcp/5432", "web2 db tcp/5432"}, 2},
		"a job that runs once a month":         {[]string{"cron db tcp/5432"}, 1},
		"a workload that scans":                {[]string{"backup db tcp/21", "backup db tcp/22", "backup web1 tcp/23", "backup web2 tcp/23"}, 1},
		"strangers with spoofed addresses":     {[]string{"203.0.113.1 db tcp/22", "203.0.113.2 db tcp/23", "10.99.0.1 db tcp/22"}, 1},
		"everything":                           {[]string{"web1 db tcp/5432", "cron db tcp/5432", "backup db tcp/22", "1.1.1.1 db tcp/99", "192.0.2.7 db tcp/22"}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.apply(shop(policy.Enforce, 5432), forecast(100))
			d.block(c.blocked...)
			if w := d.Status().Watch; w == nil || w.Harm() != c.harm {
				t.Errorf("harm %+v, want %d", w, c.harm)
			}
		})
	}
}

// A watch outlives its process, counts on, and takes the change back when more
// harm is done than is borne.
func TestWatchSurvivesRestartAndTakesBack(t *testing.T) {
	d := newDesk(t)
	d.apply(shop(policy.Enforce, 5432, 22), nil)
	d.now = d.now.Add(time.Hour)
	d.apply(shop(policy.Enforce, 5432), forecast(1))
	d.block("cron db tcp/22")
	d.now = d.now.Add(time.Minute)
	d.guard()
	d.open()
	if err := d.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := d.Status().Watch; w == nil || w.Harm() != 1 {
		t.Fatalf("after a restart the watch is %+v, want one harm remembered", w)
	}
	d.block("backup db tcp/22")
	d.guard()
	st := d.Status()
	if st.Confirmed.Number != 1 || st.Watch != nil {
		t.Errorf("version %d in force, watch %v; want the one before, unwatched", st.Confirmed.Number, st.Watch)
	}
	events(t, d.Enforcer, "applied", "confirmed", "applied", "confirmed", "restored", "rolled-back")
	steps, err := d.Journal()
	if err != nil {
		t.Fatal(err)
	}
	last := steps[len(steps)-1]
	if last.Author != "guard" || !strings.Contains(last.Detail, "cron → db tcp/22") {
		t.Errorf("last step %+v, want the guard's, naming the first dependency", last)
	}
	d.block("cron db tcp/22", "backup db tcp/22", "web1 db tcp/22")
	d.guard()
	if n := d.Status().Confirmed.Number; n != 1 {
		t.Errorf("version %d after more of it, want 1: an ended watch is over", n)
	}
}

// The watch lasts its time from confirmation, no longer; then what is blocked is
// the policy's business.
func TestWatchEndsAfterItsTime(t *testing.T) {
	d := newDesk(t)
	care := forecast(0)
	d.apply(shop(policy.Enforce, 5432), care)
	if until := d.Status().WatchUntil; until != d.now.Add(enforcer.AftercareTime) {
		t.Errorf("the watch lasts until %s, want 48 hours", until)
	}
	d.now = d.now.Add(enforcer.AftercareTime - time.Second)
	d.guard()
	if d.Status().Watch == nil {
		t.Error("the watch ended early")
	}
	d.now = d.now.Add(time.Second)
	d.guard()
	d.block("cron db tcp/22")
	d.guard()
	if st := d.Status(); st.Watch != nil || !d.kernel.blocks() {
		t.Errorf("after 48 hours: watch %v, blocking %v", st.Watch, d.kernel.blocks())
	}
	events(t, d.Enforcer, "applied", "confirmed", "watched")
}

// The first change of a machine has nothing to go back to: it goes on in monitor.
func TestFirstChangeGoesBackToMonitor(t *testing.T) {
	d := newDesk(t)
	d.apply(shop(policy.Enforce, 5432), forecast(0))
	if !d.kernel.blocks() {
		t.Fatal("the change blocks nothing")
	}
	d.block("cron db tcp/22")
	d.guard()
	if d.kernel.gone || d.kernel.blocks() {
		t.Errorf("after taking back: table gone %v, blocking %v; want it there and only reporting", d.kernel.gone, d.kernel.blocks())
	}
}

// Without recorded traffic there is no forecast to be wrong about.
func TestWithoutForecastNothingIsTakenBack(t *testing.T) {
	d := newDesk(t)
	d.apply(shop(policy.Enforce, 5432), &enforcer.Aftercare{})
	d.block("cron db tcp/22", "backup db tcp/22")
	d.guard()
	if w := d.Status().Watch; w == nil || len(w.SeenUnforeseen) != 2 || !d.kernel.blocks() {
		t.Errorf("watch %v, blocking %v; want it counted and kept", w, d.kernel.blocks())
	}
}

// A change of addresses, or one that only opens, does not end the watch; taking
// back then undoes the change that was watched.
func TestWatchGoesOnOverHarmlessVersions(t *testing.T) {
	d := newDesk(t)
	d.apply(shop(policy.Monitor, 5432), nil)
	d.apply(shop(policy.Enforce, 5432), forecast(0))
	began := d.now
	d.now = d.now.Add(time.Hour)
	host := shopHost()
	host.Workloads[0].Addrs = []netip.Addr{netip.MustParseAddr("10.0.0.77")}
	if _, err := d.Apply(t.Context(), enforcer.Request{Set: shop(policy.Enforce, 5432), Host: host}); err != nil {
		t.Fatal(err)
	}
	st := d.Status()
	if st.Confirmed.Number != 3 || st.Watch == nil || st.Watch.Version != 2 || st.WatchUntil != began.Add(enforcer.AftercareTime) {
		t.Fatalf("version %d, watch %+v until %s; want version 2's watch to go on as it was", st.Confirmed.Number, st.Watch, st.WatchUntil)
	}
	d.block("10.0.0.77 db tcp/22")
	d.guard()
	if st := d.Status(); st.Confirmed.Number != 1 || d.kernel.blocks() {
		t.Errorf("version %d, blocking %v; want what was before the change", st.Confirmed.Number, d.kernel.blocks())
	}
}

// Events of before the change, and of policies in monitor, do not count.
func TestOnlyTheChangesOwnDropsCount(t *testing.T) {
	d := newDesk(t)
	d.apply(shop(policy.Enforce, 5432), forecast(0))
	v := policy.Violation{Time: flow.TimeOf(d.now.Add(-time.Second)), Client: flow.Party{Addr: at("cron")}, Server: flow.Party{Addr: at("db")},
		Service: flow.Service{Proto: flow.TCP, Port: 22}, Outcome: policy.Blocked}
	would := v
	would.Time, would.Outcome = flow.TimeOf(d.now), policy.WouldBlock
	if err := d.Violations([]policy.Violation{v, would}); err != nil {
		t.Fatal(err)
	}
	if w := d.Status().Watch; w.Harm() != 0 {
		t.Errorf("harm %d: %+v", w.Harm(), w.SeenUnforeseen)
	}
}

// Going back goes to what was confirmed before, never to a version that nobody
// confirmed.
func TestRollbackSkipsWhatWasNeverConfirmed(t *testing.T) {
	d := newDesk(t)
	d.apply(shop(policy.Monitor), nil) // 1
	if _, err := d.Apply(t.Context(), enforcer.Request{Set: shop(policy.Enforce), Host: shopHost()}); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Hour) // 2 was not confirmed
	d.guard()
	d.apply(shop(policy.Enforce, 5432), nil) // 3
	if err := d.Rollback(t.Context(), 2, ""); !errors.Is(err, enforcer.ErrNeverConfirmed) {
		t.Errorf("back to 2: %v, want ErrNeverConfirmed", err)
	}
	if err := d.Rollback(t.Context(), 0, "by hand"); err != nil {
		t.Fatal(err)
	}
	if n := d.Status().Confirmed.Number; n != 1 {
		t.Errorf("version %d, want 1", n)
	}
	if err := d.Rollback(t.Context(), 0, ""); !errors.Is(err, enforcer.ErrNoVersion) {
		t.Errorf("back from the first: %v, want ErrNoVersion", err)
	}
	if err := d.Rollback(t.Context(), 3, ""); err != nil || d.Status().Confirmed.Number != 3 {
		t.Errorf("forward to 3: %v, version %d", err, d.Status().Confirmed.Number)
	}
}

// An agent whose inventory changes all day keeps a bounded state folder, with the
// versions that going back needs.
func TestStateFolderIsBounded(t *testing.T) {
	d := newDesk(t)
	d.apply(shop(policy.Monitor, 5432), nil)
	d.apply(shop(policy.Enforce, 5432), forecast(0))
	for i := range 120 {
		host := shopHost()
		host.Workloads[0].Addrs = []netip.Addr{netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})}
		if _, err := d.Apply(t.Context(), enforcer.Request{Set: shop(policy.Enforce, 5432), Host: host}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(filepath.Join(d.dir, "versions"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) > 60 {
		t.Errorf("%d files after 122 versions", len(files))
	}
	d.open()
	d.block("cron db tcp/22")
	d.guard()
	if n := d.Status().Confirmed.Number; n != 1 {
		t.Errorf("version %d after taking back, want 1", n)
	}
}

func events(t *testing.T, e *enforcer.Enforcer, want ...string) {
	t.Helper()
	steps, err := e.Journal()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps {
		got = append(got, s.Event)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("journal %v, want %v", got, want)
	}
}
