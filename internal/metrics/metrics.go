// Package metrics shows the counters of every stage to Prometheus. Each stage
// counts what came in and what went on, so that loss is located by subtraction.
//
// Labels are stage names and typed drop reasons only: nothing an attacker chooses
// becomes a label.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Stage is one place that takes things in and passes them on.
type Stage struct {
	Name, Unit                     string
	Received, Passed, Deduplicated uint64
	Drops                          map[string]uint64 // by flow.DropReason's name
}

// Handler serves the stages as they are at each scrape, beside the Go runtime's and
// the process's own figures.
func Handler(stages func() []Stage) http.Handler {
	return HandlerWith(stages, func() []Gauge { return nil })
}

// Gauge is one figure as it is now.
type Gauge struct {
	Name, Help string
	Value      float64
}

// HandlerWith is Handler with gauges beside the stages.
func HandlerWith(stages func() []Stage, gauges func() []Gauge) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(stageCollector(stages), gaugeCollector(gauges), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

var (
	stageLabels  = []string{"stage", "unit"}
	received     = prometheus.NewDesc("bulkhead_stage_received_total", "What the stage was given.", stageLabels, nil)
	passed       = prometheus.NewDesc("bulkhead_stage_passed_total", "What the stage passed on.", stageLabels, nil)
	deduplicated = prometheus.NewDesc("bulkhead_stage_deduplicated_total", "What the stage had counted before.", stageLabels, nil)
	dropped      = prometheus.NewDesc("bulkhead_stage_dropped_total", "What the stage did not keep, by reason.", append(stageLabels, "reason"), nil)
)

// stageCollector reads the stages at each scrape.
type stageCollector func() []Stage

// Describe implements prometheus.Collector.
func (stageCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- received
	ch <- passed
	ch <- deduplicated
	ch <- dropped
}

// Collect implements prometheus.Collector.
func (c stageCollector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for _, s := range c() {
		counter(received, s.Received, s.Name, s.Unit)
		counter(passed, s.Passed, s.Name, s.Unit)
		counter(deduplicated, s.Deduplicated, s.Name, s.Unit)
		for reason, n := range s.Drops {
			counter(dropped, n, s.Name, s.Unit, reason)
		}
	}
}

// gaugeCollector reads the gauges at each scrape. It describes nothing beforehand.
type gaugeCollector func() []Gauge

// Describe implements prometheus.Collector.
func (gaugeCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c gaugeCollector) Collect(ch chan<- prometheus.Metric) {
	for _, g := range c() {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(g.Name, g.Help, nil, nil), prometheus.GaugeValue, g.Value)
	}
}
