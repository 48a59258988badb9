package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

func statusCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "What is stored, and what every sensor received, kept and dropped", Args: cobra.NoArgs,
		Long: `Prints what is stored and, for each stage of each sensor, what it last reported:

  received = passed on + seen twice + dropped by reason

Of what the writer passed on, the store has all but what is waiting. A stage whose
figures do not add up is marked, with what is missing.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error { return s.status(cmd.Context()) })
		},
	}
}

func (s *session) status(ctx context.Context) error {
	first, last, err := s.store.Window(ctx)
	if err != nil {
		return err
	}
	rows, err := s.store.Rows(ctx)
	if err != nil {
		return err
	}
	health, err := s.store.Health(ctx)
	if err != nil {
		return err
	}
	if s.app.json {
		return s.app.printJSON(statusReport{Store: s.engine.String(), First: first, Last: last, Records: rows, Sensors: sensorReports(health)})
	}
	fmt.Fprintf(s.app.out, "store: %s\nrecords: %d, from %s to %s\n\n", s.engine, rows, day(first), day(last))
	return table(s.app.out, []string{"SENSOR", "STAGE", "LAST REPORT", "STATE", "RECEIVED", "PASSED", "WAITING", "SEEN TWICE", "DROPPED"}, healthRows(health))
}

// statusReport is the --json form of status.
type statusReport struct {
	Store   string         `json:"store"`
	First   flow.Time      `json:"first"`
	Last    flow.Time      `json:"last"`
	Records uint64         `json:"records"`
	Sensors []sensorReport `json:"sensors"`
}

// sensorReport is what a stage of a sensor last said. Exporters have counters of
// their own kind, and nothing missing.
type sensorReport struct {
	store.SensorHealth
	Missing int64 `json:"Missing"` // received that is neither passed on, seen twice nor dropped; negative: too much
}

func sensorReports(health []store.SensorHealth) []sensorReport {
	out := make([]sensorReport, 0, len(health))
	for _, h := range health {
		out = append(out, sensorReport{h, missing(h)})
	}
	return out
}

// missing is by how much a stage's counters do not add up: always 0, or there is a
// mistake in the program.
func missing(h store.SensorHealth) int64 {
	received, ok := h.Counters["received"]
	if !ok {
		return 0
	}
	left := int64(received - h.Counters["passed"] - h.Counters["deduplicated"])
	for _, n := range h.Drops {
		left -= int64(n)
	}
	return left
}

func healthRows(health []store.SensorHealth) [][]string {
	rows := make([][]string, 0, len(health))
	for _, h := range health {
		c := h.Counters
		if h.Kind == kindExporter || h.Kind == kindUnknown {
			continue // bulkhead exporters list
		}
		state := h.State
		if n := missing(h); n != 0 {
			state = fmt.Sprintf("%d missing", n)
		}
		rows = append(rows, []string{h.Sensor, h.Kind, h.Time.Format(time.DateTime), state,
			fmt.Sprint(c["received"]), fmt.Sprint(c["passed"]), fmt.Sprint(c["waiting"]), fmt.Sprint(c["deduplicated"]), dropWords(h.Drops)})
	}
	return rows
}

func dropWords(drops map[string]uint64) string {
	var words []string
	for reason, n := range drops {
		words = append(words, fmt.Sprintf("%d %s", n, reason))
	}
	if len(words) == 0 {
		return "-"
	}
	sort.Strings(words)
	return strings.Join(words, ", ")
}

// healthOf turns the counters of a sensor's stages into reports for the store.
func healthOf(sensor string, stages []httpapi.Stage, now time.Time) []store.SensorHealth {
	out := make([]store.SensorHealth, 0, len(stages))
	for _, st := range stages {
		h := store.SensorHealth{Time: now, Sensor: sensor, Kind: st.Name, State: "ok", Message: st.Unit,
			Counters: map[string]uint64{"received": st.Received, "passed": st.Passed, "waiting": st.Waiting, "deduplicated": st.Deduplicated}, Drops: map[string]uint64{}}
		for _, d := range st.Drops {
			h.Drops[d.Reason] = d.Count
			if d.Reason == flow.DropKernel.String() || d.Reason == flow.DropSpoolFull.String() {
				h.State = "losing"
			}
		}
		out = append(out, h)
	}
	return out
}

// partyName is how a person knows one end: the workload's name, or the address.
func partyName(w *topology.Workload, p flow.Party) string {
	switch {
	case w == nil:
		return p.Addr.String()
	case w.Name != "":
		return w.Name
	}
	return w.ID
}
