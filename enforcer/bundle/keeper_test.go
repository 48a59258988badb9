package bundle

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// point is an enforcement point without a kernel: what is newly enforced waits, the
// test says when it is taken back.
type point struct {
	mu        sync.Mutex
	number    int
	confirmed *enforcer.Version
	pending   *enforcer.Version
	steps     []enforcer.Step
	fail      error
	before    *policy.Set
}

func (p *point) Apply(_ context.Context, r enforcer.Request) (*enforcer.Version, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return nil, p.fail
	}
	if p.pending != nil {
		return nil, enforcer.ErrPending
	}
	p.number++
	v := &enforcer.Version{Number: p.number, Hash: r.Set.Hash(), Author: r.Author, Reason: r.Reason, Policy: string(policy.Format(r.Set)), Host: r.Host}
	enforcing := len(r.Set.Policies) > 0 && r.Set.Policies[0].Stage == policy.Enforce
	if enforcing && (p.before == nil || p.before.Hash() != r.Set.Hash()) {
		v.Deadline = time.Now().Add(time.Minute)
		p.pending = v
		return v, nil
	}
	p.confirmed, p.before = v, r.Set
	return v, nil
}

func (p *point) Confirm(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		return enforcer.ErrNoPending
	}
	set, err := policy.Parse([]byte(p.pending.Policy), "pending")
	p.confirmed, p.pending, p.before = p.pending, nil, set
	return err
}

func (p *point) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = nil
	p.steps = append(p.steps, enforcer.Step{Event: "expired", Detail: "it was not confirmed in time"})
}

func (p *point) Status() enforcer.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return enforcer.Status{Confirmed: p.confirmed, Pending: p.pending}
}

func (p *point) Journal() ([]enforcer.Step, error) { return p.steps, nil }

func (p *point) Note(event, detail string) error {
	p.steps = append(p.steps, enforcer.Step{Event: event, Detail: detail})
	return nil
}

// bench is a keeper before a point, with a controller's key and a line that can be
// cut.
type bench struct {
	*Keeper
	t      *testing.T
	point  *point
	file   string
	now    time.Time
	cut    error
	serial uint64
	groups map[string]nft.Cgroup
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, point: &point{}, file: filepath.Join(t.TempDir(), "bundle.json"), now: noon}
	b.restart()
	return b
}

// restart opens the keeper again, as after a crash.
func (b *bench) restart() {
	k, err := NewKeeper(KeeperOptions{
		Enforcer: b.point, Host: "web1", Keys: func() []ed25519.PublicKey { return trust().Keys }, File: b.file,
		Local: func(_ *policy.Set, h *nft.Host) error { h.Cgroups = b.groups; return nil },
		Reach: func(context.Context) error { return b.cut },
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() time.Time { return b.now },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Keeper = k
}

// send offers a bundle with the policy at a stage; change may spoil it.
func (b *bench) send(stage policy.Stage, change func(*Bundle)) error {
	b.t.Helper()
	b.serial++
	set := &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed(), Policies: []policy.Policy{{Name: "p", Scope: policy.Select(topology.Labels{"app": "shop"}), Stage: stage}}}
	m := Make("web1", set.Normal(), nft.Host{Workloads: []nft.Workload{{ID: "w", Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(b.serial)})}}}}, ByReach)
	m.Serial, m.Issued, m.Expires = b.serial, b.now, b.now.Add(time.Hour)
	if change != nil {
		change(&m)
	}
	data, err := Sign(m, key(1))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.Offer(b.t.Context(), data)
}

func (b *bench) look() {
	b.t.Helper()
	if err := b.Keeper.look(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) expect(what string, serial, pending uint64, refusal string) {
	b.t.Helper()
	h := b.Held()
	why := ""
	if h.Refusal != nil {
		why = h.Refusal.Why
	}
	if h.Serial != serial || h.Pending != pending || (refusal == "") != (why == "") || !strings.Contains(why, refusal) {
		b.t.Errorf("%s: holds %d, pending %d, refusal %q; want %d, %d, %q", what, h.Serial, h.Pending, why, serial, pending, refusal)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestConfirmedByReach: what enforces waits until the controller was reached under
// it; what only monitors does not.
func TestConfirmedByReach(t *testing.T) {
	b := newBench(t)
	must(t, b.send(policy.Monitor, nil))
	b.expect("monitor", 1, 0, "")
	b.cut = errors.New("no route")
	must(t, b.send(policy.Enforce, nil))
	b.look()
	b.expect("the line is cut", 1, 2, "")
	if err := b.send(policy.Enforce, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("a second change meanwhile: %v", err)
	}
	b.cut = nil
	b.look()
	b.expect("the line is back", 2, 0, "")
}

// TestTakenBack: a change under which the controller cannot be reached is gone when
// the gate has closed, with the reason; the same policies do not come back with the
// next address, others do, and so do they when an operator asks for it. All of that
// survives a restart.
func TestTakenBack(t *testing.T) {
	b := newBench(t)
	must(t, b.send(policy.Monitor, nil))
	b.cut = errors.New("no route")
	must(t, b.send(policy.Enforce, nil))
	b.look()
	b.point.expire()
	b.restart()
	b.look()
	b.expect("expired", 1, 0, "not confirmed in time; under it the controller could not be reached: no route")
	if h := b.Held(); h.Seen != 2 || !h.Refusal.RolledBack {
		t.Errorf("%+v", h)
	}
	b.cut = nil
	must(t, b.send(policy.Enforce, nil))
	b.look()
	b.expect("the same with another address", 1, 0, "not confirmed in time")
	if h := b.Held(); h.Seen != 3 || h.Refusal.Serial != 3 {
		t.Errorf("%+v", h)
	}
	b.restart()
	must(t, b.send(policy.Enforce, func(m *Bundle) { m.Again = 1 }))
	b.look()
	b.expect("an operator asked for another try", 4, 0, "")
}

// TestOperatorConfirms: the agent does not confirm by itself what an operator shall.
func TestOperatorConfirms(t *testing.T) {
	b := newBench(t)
	must(t, b.send(policy.Enforce, func(m *Bundle) { m.Confirm = ByOperator }))
	b.look()
	b.expect("waits", 0, 1, "")
	must(t, b.Confirm(t.Context(), 0))
	b.expect("an older confirmation", 0, 1, "")
	must(t, b.Confirm(t.Context(), 1))
	b.expect("confirmed", 1, 0, "")
}

// TestRefusals: a bundle that is not accepted changes nothing in force and is named,
// in what the host says and once in the journal; a good one afterwards clears it.
func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*bench, *Bundle)
		why    string
	}{
		"another host":   {func(_ *bench, m *Bundle) { m.Host = "web2" }, "another host"},
		"old number":     {func(_ *bench, m *Bundle) { m.Serial = 1 }, "not newer"},
		"expired":        {func(b *bench, _ *Bundle) { b.now = b.now.Add(2 * time.Hour) }, "expired"},
		"clock behind":   {func(b *bench, _ *Bundle) { b.now = b.now.Add(-2 * time.Hour) }, "clock"},
		"for a gateway":  {func(_ *bench, m *Bundle) { m.Target.Mode = nft.ModeGateway }, "gateway"},
		"no policy":      {func(_ *bench, m *Bundle) { m.Policy = "kind: Nonsense" }, "apiVersion"},
		"other meaning":  {func(_ *bench, m *Bundle) { m.Hash = strings.Repeat("0", 64) }, "mean something else"},
		"kernel refuses": {func(b *bench, _ *Bundle) { b.point.fail = errors.New("no memory") }, "no memory"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			must(t, b.send(policy.Monitor, nil))
			for range 3 { // as often as it is offered
				b.serial = 1
				if err := b.send(policy.Monitor, func(m *Bundle) { tc.change(b, m) }); err == nil {
					t.Fatal("accepted")
				}
				b.now = noon
			}
			b.expect("refused", 1, 0, tc.why)
			if b.point.number != 1 || len(b.point.steps) != 1 {
				t.Errorf("version %d in force, journal %v", b.point.number, b.point.steps)
			}
			b.restart()
			b.expect("after a restart", 1, 0, tc.why)
			b.point.fail, b.serial = nil, 5
			must(t, b.send(policy.Monitor, nil))
			b.expect("a good one", 6, 0, "")
		})
	}
}

// TestWrongKeys: a bundle signed by somebody else, and noise, are refused.
func TestWrongKeys(t *testing.T) {
	b := newBench(t)
	forged, err := Sign(Bundle{Host: "web1", Serial: 1, Issued: noon, Expires: noon.Add(time.Hour)}, key(2))
	must(t, err)
	for _, data := range [][]byte{forged, nil, []byte("{}"), []byte(`{"format":9}`)} {
		if err := b.Offer(t.Context(), data); err == nil {
			t.Errorf("accepted %.60s", data)
		}
	}
	b.expect("refused", 0, 0, "format this version does not know")
}

// TestReleasedByHand: a host that somebody released stays released, whatever the
// controller sends, until an operator asks for another try.
func TestReleasedByHand(t *testing.T) {
	b := newBench(t)
	must(t, b.send(policy.Monitor, nil))
	b.point.confirmed = nil
	must(t, b.send(policy.Enforce, nil))
	if h := b.Held(); !h.Released || h.Seen != 2 || b.point.number != 1 {
		t.Errorf("%+v, version %d", h, b.point.number)
	}
	must(t, b.send(policy.Monitor, func(m *Bundle) { m.Again = 1 }))
	if h := b.Held(); h.Released || h.Serial != 3 {
		t.Errorf("after an operator's word: %+v", h)
	}
}

// TestChangedByHand: a policy applied or rolled back on the host itself is seen.
func TestChangedByHand(t *testing.T) {
	b := newBench(t)
	must(t, b.send(policy.Monitor, nil))
	b.point.confirmed = &enforcer.Version{Number: 9, Author: "ann", Reason: "trying"}
	b.look()
	b.expect("applied by hand", 0, 0, "ann applied something else on the host: trying")
}

// TestRestartedUnits: a unit's new control group is put into the ruleset without a
// new bundle and without confirmation.
func TestRestartedUnits(t *testing.T) {
	b := newBench(t)
	b.groups = map[string]nft.Cgroup{"api.service": {ID: 1}}
	must(t, b.send(policy.Enforce, nil))
	b.look()
	must(t, b.refresh(t.Context()))
	if b.point.number != 1 {
		t.Error("applied again although nothing has changed")
	}
	b.groups = map[string]nft.Cgroup{"api.service": {ID: 2}}
	must(t, b.refresh(t.Context()))
	b.look()
	b.expect("refreshed", 1, 0, "")
	if b.point.number != 2 || b.point.confirmed.Host.Cgroups["api.service"].ID != 2 {
		t.Errorf("version %d: %v", b.point.number, b.point.confirmed.Host.Cgroups)
	}
}
