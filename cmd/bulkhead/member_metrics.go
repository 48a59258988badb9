package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/bulkhead/bulkhead/internal/metrics"
)

// metrics serves this machine's own counters where the configuration says; nil for
// nowhere.
func (m *memberRun) metrics() (*metricsServer, error) {
	addr := m.app.cfg.API.Metrics
	if addr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("api.metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", metrics.HandlerWith(m.stages, m.gauges))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-m.enforcer.Ready():
			w.WriteHeader(http.StatusNoContent)
		default:
			http.Error(w, "what was confirmed is not in force yet", http.StatusServiceUnavailable)
		}
	})
	return &metricsServer{listener: l, ready: make(chan struct{}), http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}, nil
}

// stages are the counters of what is reported.
func (m *memberRun) stages() []metrics.Stage {
	q := m.queue.Stats()
	return []metrics.Stage{{Name: "report queue", Unit: "rows", Received: q.Received + q.Found, Passed: q.Sent, Drops: q.Lost}}
}

// gauges are how this machine stands to its controller.
func (m *memberRun) gauges() []metrics.Gauge {
	b, line, now := m.Beat(), m.link.Status(), time.Now()
	age := -1.0
	if !line.Reached.IsZero() {
		age = now.Sub(line.Reached).Seconds()
	}
	return []metrics.Gauge{
		{Name: "bulkhead_agent_bundle_held", Help: "Number of the bundle that is confirmed.", Value: float64(b.Serial)},
		{Name: "bulkhead_agent_bundle_wanted", Help: "Number of the bundle the controller wants.", Value: float64(line.Wanted)},
		{Name: "bulkhead_agent_bundle_pending", Help: "Number of the bundle that waits to be confirmed; 0 for none.", Value: float64(b.Pending)},
		{Name: "bulkhead_agent_refused", Help: "1 if the newest bundle was refused or taken back.", Value: truth(b.Refusal != nil)},
		{Name: "bulkhead_agent_released", Help: "1 if the table was taken away by hand.", Value: truth(b.Released)},
		{Name: "bulkhead_agent_table_flapping", Help: "1 while somebody keeps changing the table.", Value: truth(b.Flapping)},
		{Name: "bulkhead_agent_controller_age_seconds", Help: "Since the controller last answered; -1 for never.", Value: age},
		{Name: "bulkhead_agent_certificate_seconds", Help: "Until the certificate ends; negative when it has.", Value: m.id.Expires().Sub(now).Seconds()},
		{Name: "bulkhead_agent_clock_skew_seconds", Help: "How far this clock is ahead of the controller's.", Value: line.Skew.Seconds()},
		{Name: "bulkhead_agent_queue_rows", Help: "Rows that wait to be reported.", Value: float64(m.queue.Stats().Waiting)},
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
