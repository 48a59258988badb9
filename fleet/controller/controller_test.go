package controller_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/authority"
	"github.com/bulkhead/bulkhead/fleet/controller"
	"github.com/bulkhead/bulkhead/fleet/link"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return time.Now().Add(c.off) }
func (c *clock) set(off time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = off
}

// policies is a Source whose answer tests change: what each host shall enforce.
type policies struct {
	mu   sync.Mutex
	text map[string]string // by host; "" key for all others
}

func (p *policies) set(host, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text[host] = text
}

func (p *policies) Contents(_ context.Context, hosts []controller.Host, _ []netip.AddrPort) (map[string]*controller.Content, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]*controller.Content{}
	for _, h := range hosts {
		text, ok := p.text[h.Name]
		if !ok {
			text = p.text[""]
		}
		if text == "broken" {
			out[h.Name] = &controller.Content{Err: errors.New("policy is broken")}
			continue
		}
		out[h.Name] = &controller.Content{Digest: text, Hash: text, Change: p.text[""],
			Sign: func(serial uint64, _ time.Time) ([]byte, error) { return json.Marshal(sent{serial, text}) }}
	}
	return out, nil
}

// sent is a bundle as the fake host reads it.
type sent struct {
	Serial uint64
	Text   string
}

// table is a Sink that is a store: a token counts once. It can be away, and it can
// fail after it has stored.
type table struct {
	mu      sync.Mutex
	rows    map[uint64]int // flow id → how often
	hosts   map[string]int
	tokens  map[string]bool
	away    bool
	forgets int // so many answers are lost after storing
	seen    int
}

func (s *table) Store(_ context.Context, token string, records []flow.Record, violations []policy.Violation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errors.New("away")
	}
	if !s.tokens[token] {
		s.tokens[token] = true
		for _, r := range records {
			s.rows[r.ID]++
			s.hosts[r.Sensor]++
		}
		s.seen += len(violations)
	}
	if s.forgets > 0 {
		s.forgets--
		return errors.New("connection cut")
	}
	return nil
}

func (s *table) count() (rows, twice int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.rows {
		if n > 1 {
			twice++
		}
	}
	return len(s.rows), twice
}

// machine is a Host that takes everything newer.
type machine struct {
	mu   sync.Mutex
	beat fleet.Heartbeat
	got  []sent
}

func (m *machine) Beat() fleet.Heartbeat { m.mu.Lock(); defer m.mu.Unlock(); return m.beat }

func (m *machine) Offer(_ context.Context, data []byte) error {
	var b sent
	if err := json.Unmarshal(data, &b); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b.Serial <= m.beat.Seen {
		return fmt.Errorf("bundle %d is old", b.Serial)
	}
	m.got = append(m.got, b)
	m.beat.Seen = b.Serial
	if b.Text != "bad" {
		m.beat.Serial, m.beat.Hash, m.beat.Refusal = b.Serial, b.Text, nil
	} else {
		m.beat.Refusal = &fleet.Refusal{Serial: b.Serial, Why: "bad", RolledBack: true}
	}
	return nil
}

func (m *machine) Confirm(context.Context, uint64) error { return nil }

func (m *machine) texts() (out []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.got {
		out = append(out, b.Text)
	}
	return out
}

// lab is a controller with hosts, all in this process.
type lab struct {
	t      *testing.T
	dir    string
	clock  clock
	source policies
	sink   table
	auth   *authority.Authority
	addr   string
	opts   controller.Options
	server *controller.Server
	stop   func()
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	l.source.text = map[string]string{"": "first"}
	l.sink = table{rows: map[uint64]int{}, hosts: map[string]int{}, tokens: map[string]bool{}}
	var err error
	if l.auth, err = authority.Open(authority.Options{Dir: filepath.Join(l.dir, "authority"), Now: l.clock.Now}); err != nil {
		t.Fatal(err)
	}
	l.start()
	return l
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// start runs the controller, at the same address as before.
func (l *lab) start() {
	l.t.Helper()
	opts := l.opts
	opts.Listen, opts.Dir, opts.Authority, opts.Source, opts.Sink = l.addr, filepath.Join(l.dir, "controller"), l.auth, &l.source, &l.sink
	opts.Log, opts.Now, opts.Refresh, opts.Poll = quiet, l.clock.Now, 10*time.Millisecond, time.Second
	s, err := controller.Listen(opts)
	if err != nil {
		l.t.Fatal(err)
	}
	l.server, l.addr = s, s.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("controller: %v", err)
		}
	})
	l.t.Cleanup(func() { l.stop() })
}

// host is a machine with a line to the controller.
type host struct {
	machine
	id    *link.Identity
	queue *link.Queue
	link  *link.Link
	clock clock
	stop  func()
}

func (l *lab) join(name string) (*link.Identity, error) {
	token, _, err := l.auth.CreateToken(authority.Grant{})
	if err != nil {
		l.t.Fatal(err)
	}
	return link.Join(context.Background(), link.JoinOptions{Dir: filepath.Join(l.dir, name), Token: token.String(), Controller: l.addr, Name: name})
}

func (l *lab) host(name string) *host {
	l.t.Helper()
	h := &host{}
	var err error
	if h.id, err = l.join(name); err != nil {
		l.t.Fatal(err)
	}
	h.beat.Addrs = []netip.Addr{netip.MustParseAddr("10.0.0.1")}
	l.run(h)
	return h
}

// run starts a host's line.
func (l *lab) run(h *host) {
	l.t.Helper()
	var err error
	if h.queue, err = link.OpenQueue(filepath.Join(l.dir, h.id.Name(), "queue"), 0, quiet); err != nil {
		l.t.Fatal(err)
	}
	h.link, err = link.New(link.Options{Identity: h.id, Host: h, Queue: h.queue, Log: quiet, Now: h.clock.Now, Every: 10 * time.Millisecond})
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = h.link.Run(ctx) })
	wg.Go(func() { _ = h.queue.Run(ctx) })
	h.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	l.t.Cleanup(func() { h.stop() })
}

func (l *lab) status(name string) controller.Status {
	l.t.Helper()
	list, err := l.server.Hosts()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, s := range list {
		if s.Name == name {
			return s
		}
	}
	return controller.Status{}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func records(from, n int) (out []flow.Record) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	for i := from; i < from+n; i++ {
		out = append(out, flow.Record{ID: uint64(i + 1), Key: flow.Key{Client: a, Server: b, ServerPort: 443, Proto: flow.TCP}, First: 1, Last: 2, Sensor: "another"})
	}
	return out
}

// TestBundlesReachHosts: each host gets its own, newer ones as they come, numbers
// only grow, also over a restart and when the controller has lost its state.
func TestBundlesReachHosts(t *testing.T) {
	l := newLab(t)
	l.source.set("web2", "for web2")
	web1, web2 := l.host("web1"), l.host("web2")
	inSync := func(name, hash string) func() bool {
		return func() bool { s := l.status(name); return s.State == fleet.InSync && s.Beat.Hash == hash }
	}
	eventually(t, "web1 has its policy", inSync("web1", "first"))
	eventually(t, "web2 has its own", inSync("web2", "for web2"))
	l.source.set("", "second")
	eventually(t, "web1 has the newer one", inSync("web1", "second"))
	l.stop()
	l.source.set("", "third")
	l.start()
	eventually(t, "web1 has the third after a restart", inSync("web1", "third"))
	l.stop()
	l.dir = t.TempDir() // of the controller's state alone
	l.source.set("", "fourth")
	l.start()
	eventually(t, "web1 has the fourth although the controller begins at 1", inSync("web1", "fourth"))
	eventually(t, "web2 is in sync again", inSync("web2", "for web2"))
	if diff := slices.Compare(web1.texts(), []string{"first", "second", "third", "fourth"}); diff != 0 {
		t.Errorf("web1 got %v", web1.texts())
	}
	for _, text := range web2.texts() {
		if text != "for web2" {
			t.Errorf("web2 got %v", web2.texts())
		}
	}
}

// TestBrokenPolicyLeavesHostsAlone: what cannot be made is a problem to see, and
// nothing is sent.
func TestBrokenPolicyLeavesHostsAlone(t *testing.T) {
	l := newLab(t)
	h := l.host("web1")
	eventually(t, "in sync", func() bool { return l.status("web1").State == fleet.InSync })
	l.source.set("web1", "broken")
	eventually(t, "the problem is seen", func() bool { return l.status("web1").Problem == "policy is broken" })
	if got := h.texts(); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

// TestRowsAreStoredOnce: whatever is cut off, restarted or away between a host and
// the store, every row is there once, and under its own host's name.
func TestRowsAreStoredOnce(t *testing.T) {
	l := newLab(t)
	h := l.host("web1")
	const each = 700
	send := func(i int) {
		_ = h.queue.Records(records(i*each, each)) // never fails
		h.queue.Flush()
	}
	send(0)
	l.sink.mu.Lock()
	l.sink.forgets = 2
	l.sink.mu.Unlock()
	send(1)
	eventually(t, "two batches are stored", func() bool { n, _ := l.sink.count(); return n == 2*each })
	l.sink.mu.Lock()
	l.sink.away = true
	l.sink.mu.Unlock()
	send(2)
	eventually(t, "the controller has taken it", func() bool { return h.queue.Stats().Waiting == 0 })
	l.stop() // with rows in its inbox
	send(3)
	h.stop() // with rows in its queue
	l.sink.mu.Lock()
	l.sink.away, l.sink.forgets = false, 1
	l.sink.mu.Unlock()
	l.start()
	l.run(h)
	send(4)
	eventually(t, "all rows are stored", func() bool { n, _ := l.sink.count(); return n == 5*each })
	l.stop()
	l.start()
	send(5)
	eventually(t, "and those after a restart", func() bool { n, _ := l.sink.count(); return n == 6*each })
	if n, twice := l.sink.count(); n != 6*each || twice != 0 {
		t.Errorf("%d rows, %d of them twice", n, twice)
	}
	if l.sink.hosts["web1"] != 6*each {
		t.Errorf("rows by host: %v", l.sink.hosts)
	}
}

// TestRemovedHostIsOut: at once, although its connection is open and its certificate
// has not ended; and it may join again.
func TestRemovedHostIsOut(t *testing.T) {
	l := newLab(t)
	h := l.host("web1")
	eventually(t, "in sync", func() bool { return l.status("web1").State == fleet.InSync })
	if err := l.auth.Remove("web1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is refused", func() bool { return h.link.Status().Failure != "" })
	h.stop()
	l.source.set("", "second")
	again := l.host("web1")
	eventually(t, "it is back", func() bool { return l.status("web1").State == fleet.InSync && l.status("web1").Beat.Hash == "second" })
	again.stop()
}

// TestClocks: a host whose clock is wrong by a year keeps its line and says so; a
// controller whose clock jumps past the end of certificates has them renewed; past
// the grace they are refused until the clock is right again.
func TestClocks(t *testing.T) {
	l := newLab(t)
	h := l.host("web1")
	reached := func() bool { return h.link.Status().Failure == "" && !h.link.Status().Reached.IsZero() }
	eventually(t, "reached", reached)
	for _, off := range []time.Duration{-365 * 24 * time.Hour, 365 * 24 * time.Hour} {
		h.clock.set(off)
		eventually(t, "the skew is seen", func() bool {
			s := l.status("web1")
			return (s.Skew-off).Abs() < time.Minute && s.Problem != ""
		})
		eventually(t, "and the line holds", reached)
	}
	h.clock.set(0)
	first := h.id.Expires()
	l.clock.set(48 * time.Hour)
	eventually(t, "renewed after its end", func() bool { return h.id.Expires().After(first.Add(24*time.Hour)) && reached() })
	l.clock.set(365 * 24 * time.Hour)
	eventually(t, "refused past the grace", func() bool { return !reached() })
	l.clock.set(0)
	eventually(t, "back when the clock is right", reached)
}

// TestOnlyTheOwnController: a host does not speak to another controller at the same
// address, nor joins one that did not make the token.
func TestOnlyTheOwnController(t *testing.T) {
	l := newLab(t)
	h := l.host("web1")
	eventually(t, "in sync", func() bool { return l.status("web1").State == fleet.InSync })
	l.stop()
	before := l.auth
	token, _, err := before.CreateToken(authority.Grant{})
	if err != nil {
		t.Fatal(err)
	}
	if l.auth, err = authority.Open(authority.Options{Dir: filepath.Join(l.dir, "impostor")}); err != nil {
		t.Fatal(err)
	}
	l.source.set("", "evil")
	l.start()
	eventually(t, "the impostor is not believed", func() bool { return h.link.Status().Failure != "" })
	if _, err := link.Join(t.Context(), link.JoinOptions{Dir: t.TempDir(), Token: token.String(), Controller: l.addr, Name: "web9"}); err == nil {
		t.Error("joined an impostor")
	}
	tickets, err := before.Tickets()
	if err != nil || !tickets[len(tickets)-1].Used.IsZero() {
		t.Errorf("the token was spent: %v %v", tickets, err)
	}
	if slices.Contains(h.texts(), "evil") {
		t.Error("took a bundle from the impostor")
	}
}

// TestCanary: of five hosts one gets a change first; one that takes it back keeps it
// from the others, a good one lets them have it.
func TestCanary(t *testing.T) {
	l := newLab(t)
	l.stop()
	l.opts.Canary = 20
	l.start()
	var hosts []*host
	for i := range 5 {
		hosts = append(hosts, l.host(fmt.Sprintf("web%d", i)))
	}
	have := func(text string) (n int) {
		for _, h := range hosts {
			if slices.Contains(h.texts(), text) {
				n++
			}
		}
		return n
	}
	eventually(t, "all have the first policies", func() bool { return have("first") == 5 })
	l.source.set("", "bad")
	eventually(t, "one has the bad change", func() bool { return have("bad") == 1 })
	eventually(t, "and took it back", func() bool {
		list, _ := l.server.Hosts()
		return slices.ContainsFunc(list, func(s controller.Status) bool { return s.State == fleet.RolledBack })
	})
	l.source.set("", "good")
	eventually(t, "all have the good change", func() bool { return have("good") == 5 })
	if n := have("bad"); n != 1 {
		t.Errorf("%d hosts had the bad change", n)
	}
}

// TestAuthorityKeys: the policy key a host trusts is the authority's.
func TestAuthorityKeys(t *testing.T) {
	l := newLab(t)
	id, err := l.join("web1")
	if err != nil {
		t.Fatal(err)
	}
	keys := id.PolicyKeys()
	if len(keys) != 1 || !keys[0].Equal(l.auth.PolicyKey().Public().(ed25519.PublicKey)) {
		t.Errorf("keys %v", keys)
	}
	if reopened, err := link.Open(filepath.Join(l.dir, "web1")); err != nil || reopened.Name() != "web1" {
		t.Errorf("reopened: %v %v", reopened, err)
	}
	var unused x509.Certificate
	if _, err := l.auth.Holder(&unused); err == nil {
		t.Error("an empty certificate is somebody's")
	}
}
