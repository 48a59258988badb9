package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/internal/task"
)

func serveCmd(a *app) *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use: "serve", Short: "API and dashboard", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if addr != "" {
				a.cfg.API.Listen = addr
			}
			return a.with(cmd.Context(), func(s *session) error {
				srv, err := newServer(s)
				if err != nil {
					return err
				}
				tasks := []task.Task{srv, newRefresher(srv.backend)}
				m, err := s.newMetrics(srv.backend.measured)
				if err != nil {
					return err
				}
				if m != nil {
					tasks = append(tasks, m)
				}
				ctl, err := newController(srv.backend)
				if err != nil {
					return err
				}
				if ctl != nil {
					srv.backend.changed = ctl.Changed
					tasks = append(tasks, ctl)
				}
				return task.Run(cmd.Context(), append(tasks, task.NewSystemd(srv))...)
			})
		},
	}
	cmd.Flags().StringVar(&addr, "listen", "", "address of the dashboard; default 127.0.0.1:8440. Beyond loopback it asks for a password")
	return cmd
}

// server is the HTTP side as a task.
type server struct {
	backend  *backend
	hub      *httpapi.Hub
	listener net.Listener
	http     *http.Server
	ready    chan struct{}
	app      *app
}

func newServer(s *session) (*server, error) {
	a := s.app
	l, err := listen(a.cfg.API.Listen)
	if err != nil {
		return nil, fmt.Errorf("serve: %w; name another address with --listen", err)
	}
	hub := httpapi.NewHub()
	b := newBackend(s, hub, flow.TimeOf(time.Now()))
	opt := b.options(a.log)
	if !isLoopback(l.Addr()) {
		if opt.Password, err = a.password(); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return &server{backend: b, hub: hub, listener: l, ready: make(chan struct{}), app: a,
		http: &http.Server{Handler: httpapi.New(b, opt), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}}, nil
}

// listen takes the address, or, when that is the default one and taken, one of the
// next few ports: two people trying the program on one machine is no error.
func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if addr != config.Default().API.Listen || !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	host, port, _ := net.SplitHostPort(addr)
	first, _ := strconv.Atoi(port)
	for p := first + 1; p < first+10; p++ {
		if l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p))); err == nil {
			return l, nil
		}
	}
	return nil, err
}

func (s *server) String() string         { return "dashboard" }
func (s *server) Ready() <-chan struct{} { return s.ready }

// url is the address to open.
func (s *server) url() string {
	host, port, _ := net.SplitHostPort(s.listener.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// Run serves until ctx ends; open requests get a few seconds to finish.
func (s *server) Run(ctx context.Context) error {
	close(s.ready)
	fmt.Fprintf(s.app.err, "dashboard: %s\n", s.url())
	stopped := make(chan error, 1) // one result, read below
	go func() { stopped <- s.http.Serve(s.listener) }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	err := s.http.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) { // event streams stay open for ever
		err = s.http.Close()
	}
	if e := <-stopped; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// password reads the dashboard's password, made up at the first start and kept in
// a file only its owner can read.
func (a *app) password() (string, error) {
	file := filepath.Join(a.cfg.DataDir, "dashboard-password")
	b, err := os.ReadFile(file)
	if err == nil {
		if p := strings.TrimSpace(string(b)); p != "" {
			return p, nil
		}
		return "", fmt.Errorf("%s is empty: write a password into it or remove it", file)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read dashboard password: %w", err)
	}
	p, err := httpapi.GeneratePassword(rand.Reader)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(file, []byte(p+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep dashboard password: %w", err)
	}
	fmt.Fprintf(a.err, "dashboard password (kept in %s): %s\n", file, p)
	return p, nil
}

// refresher keeps the map up to date while traffic is recorded.
type refresher struct {
	b     *backend
	ready chan struct{}
}

// refreshEvery is how often recorded traffic is looked for.
const refreshEvery = 15 * time.Second

func (r *refresher) String() string { return "map refresher" }

func newRefresher(b *backend) *refresher { return &refresher{b: b, ready: make(chan struct{})} }

// Ready is closed once a map was made, or there was nothing to make one of.
func (r *refresher) Ready() <-chan struct{} { return r.ready }

// Run refreshes until ctx ends. A store that is away is logged and asked again.
func (r *refresher) Run(ctx context.Context) error {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		var shown *httpapi.Error
		if err := r.b.refresh(ctx); err != nil && !errors.As(err, &shown) && ctx.Err() == nil {
			r.b.s.app.log.Warn("map not refreshed", "error", err)
		}
		if first {
			close(r.ready)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
