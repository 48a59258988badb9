package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/internal/metrics"
)

// metricsServer serves /metrics, /healthz and /readyz on an address of its own, so
// that a scraper needs no access to the dashboard.
type metricsServer struct {
	listener net.Listener
	http     *http.Server
	ready    chan struct{}
}

// newMetrics returns nil when the configuration names no address.
func (s *session) newMetrics(stages func() []httpapi.Stage) (*metricsServer, error) {
	addr := s.app.cfg.API.Metrics
	if addr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("api.metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", metrics.Handler(func() []metrics.Stage { return metricStages(stages()) }))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.store.Ping(r.Context()); err != nil {
			http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return &metricsServer{listener: l, ready: make(chan struct{}),
		http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}, nil
}

func metricStages(stages []httpapi.Stage) []metrics.Stage {
	out := make([]metrics.Stage, len(stages))
	for i, st := range stages {
		out[i] = metrics.Stage{Name: st.Name, Unit: st.Unit, Received: st.Received, Passed: st.Passed, Deduplicated: st.Deduplicated, Drops: map[string]uint64{}}
		for _, d := range st.Drops {
			out[i].Drops[d.Reason] = d.Count
		}
	}
	return out
}

func (m *metricsServer) String() string         { return "metrics on " + m.listener.Addr().String() }
func (m *metricsServer) Ready() <-chan struct{} { return m.ready }

// Run serves until ctx ends.
func (m *metricsServer) Run(ctx context.Context) error {
	close(m.ready)
	stop := context.AfterFunc(ctx, func() { _ = m.http.Close() }) // scrapes may be cut off
	defer stop()
	if err := m.http.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
