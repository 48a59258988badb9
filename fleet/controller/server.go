package controller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/authority"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// Host is a host as a Source sees it.
type Host struct {
	fleet.Enrolment
	Addrs []netipAddr // that it says it has
	// From is the one of them that it speaks to the controller from, and so has; not
	// valid when it speaks through an address translation.
	From netip.Addr
	// Enforces says that it had a policy in force when it was last heard of. A host that
	// is silent since enforces on.
	Enforces bool
}

// Content is what one host shall enforce.
type Content struct {
	Digest    string   // of all of it; another digest is another bundle
	Hash      string   // of its policies
	Change    string   // of all policies of the estate, those of others too
	Workloads []string // that the host enforces for; nil for a gateway
	// Sign makes the bundle of that number, to be fetched now.
	Sign func(serial uint64, now time.Time) ([]byte, error)
	// Err says why there is nothing for this host; the other fields are then empty.
	Err error
}

// Source knows what hosts shall enforce.
type Source interface {
	// Contents answers for each host, by name. It returns the same map as long as
	// nothing has changed. lines are where hosts have reached this controller: no policy
	// may cut them.
	Contents(ctx context.Context, hosts []Host, lines []netip.AddrPort) (map[string]*Content, error)
}

// ErrRefused: the sink will never take these rows.
var ErrRefused = errors.New("rows refused")

// Sink stores what hosts report.
type Sink interface {
	// Store is done when the rows are stored; again with the same token it adds
	// nothing.
	Store(ctx context.Context, token string, records []flow.Record, violations []policy.Violation) error
}

// Options of a Server.
type Options struct {
	Listen    string // address
	Dir       string // its state; made if absent
	Authority *authority.Authority
	Source    Source
	Sink      Sink
	Log       *slog.Logger     // nil: slog.Default
	Now       func() time.Time // nil: time.Now
	// Poll is how long a host that asks for something newer is made to wait; 0 for 25 s.
	Poll time.Duration
	// Refresh is how often the source is asked; 0 for 2 s.
	Refresh time.Duration
	// InboxBytes bounds what waits to be stored; beyond it hosts keep their rows. 0 for
	// 1 GiB.
	InboxBytes int64
	// Canary is the share of hosts, in percent, that get changed policies first; 0 and
	// 100 for all at once.
	Canary int
	// Soak is how long canaries must have held a change before the others get it.
	Soak time.Duration
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Poll == 0 {
		o.Poll = 25 * time.Second
	}
	if o.Refresh == 0 {
		o.Refresh = 2 * time.Second
	}
	if o.InboxBytes == 0 {
		o.InboxBytes = 1 << 30
	}
	return o
}

// Server is the controller. It is a task, and safe for concurrent use.
type Server struct {
	opts     Options
	listener net.Listener
	http     *http.Server
	ready    chan struct{}
	inbox    *inbox
	nudge    chan struct{} // cap 1: something has changed, look now

	mu      sync.Mutex
	hosts   map[string]*host
	dirty   bool // hosts differ from the file
	rollout Rollout
	lines   []netip.AddrPort // of this controller's own addresses; sorted
}

// Listen opens the socket and the state; Run serves.
func Listen(opts Options) (*Server, error) {
	opts = opts.withDefaults()
	s := &Server{opts: opts, ready: make(chan struct{}), nudge: make(chan struct{}, 1), hosts: map[string]*host{}}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	var err error
	if s.inbox, err = openInbox(filepath.Join(opts.Dir, "inbox"), opts.InboxBytes, opts.Sink, opts.Log); err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	cert, err := opts.Authority.ServerCertificate()
	if err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	if s.listener, err = net.Listen("tcp", opts.Listen); err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	s.http = &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(opts.Log.Handler(), slog.LevelInfo),
		// Certificates are looked at request by request: an expired one may still renew
		// itself, and a removed host is out at once.
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert},
	}
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// String names the task.
func (s *Server) String() string { return "controller on " + s.listener.Addr().String() }

// Ready is closed once hosts are answered.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.http.BaseContext = func(net.Listener) context.Context { return ctx } // waiting requests end with us
	results := make(chan error, 4)                                         // one of each below
	go func() { results <- s.inbox.write(ctx) }()
	go func() { results <- s.inbox.drain(ctx) }()
	go func() { results <- s.refreshUntil(ctx) }()
	go func() { results <- s.http.ServeTLS(s.listener, "", "") }()
	close(s.ready)
	var err error
	select {
	case <-ctx.Done():
	case err = <-results:
		results <- nil // its place
	}
	cancel()
	grace, stop := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer stop()
	if e := s.http.Shutdown(grace); e != nil {
		err = errors.Join(err, s.http.Close())
	}
	for range 4 {
		if e := <-results; e != nil && !errors.Is(e, http.ErrServerClosed) && !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, s.save())
}

// Changed says that policies, labels or workloads may have changed: the source is
// asked now and not at the next round.
func (s *Server) Changed() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}
