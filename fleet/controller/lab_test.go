package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
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
