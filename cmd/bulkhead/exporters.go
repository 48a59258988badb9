package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/store"
)

// docExporters holds the exporters that were admitted, besides those of the
// configuration.
const docExporters = "exporters"

// Kinds of health reports about exporters.
const (
	kindExporter = "exporter"
	kindUnknown  = "unknown exporter"
)

func exportersCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "exporters", Short: "Who exports flows to this collector, and who tries to without being admitted"}
	list := &cobra.Command{
		Use: "list", Short: "Exporters with what they sent and lost, and those not admitted", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error { return s.listExporters(cmd.Context()) })
		},
	}
	admit := &cobra.Command{
		Use: "admit ADDRESS|PREFIX...", Short: "Believe these exporters from now on; running sensors follow within a minute", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := config.Prefixes(args); err != nil {
				return usagef("exporters admit: %w", err)
			}
			return a.with(cmd.Context(), func(s *session) error { return s.admitExporters(cmd.Context(), args) })
		},
	}
	cmd.AddCommand(list, admit)
	return cmd
}

func (s *session) admitExporters(ctx context.Context, more []string) error {
	var list []string
	base, err := s.load(ctx, docExporters, docOnly, &list)
	if err != nil {
		return err
	}
	list = append(list, more...)
	slices.Sort(list)
	return s.save(ctx, docExporters, docOnly, base, author(), fmt.Sprintf("admitted %v", more), slices.Compact(list))
}

func (s *session) listExporters(ctx context.Context) error {
	health, err := s.store.Health(ctx)
	if err != nil {
		return err
	}
	rows := [][]string{}
	for _, h := range health {
		if h.Kind == kindExporter || h.Kind == kindUnknown {
			c := h.Counters
			rows = append(rows, []string{h.Sensor, h.Kind, h.Message, h.Time.Format(time.DateTime), fmt.Sprint(c["datagrams"]),
				fmt.Sprint(c["records"]), fmt.Sprint(c["lost"]), dropWords(h.Drops)})
		}
	}
	if s.app.json {
		return s.app.printJSON(rows)
	}
	return table(s.app.out, []string{"EXPORTER", "", "SAMPLING", "LAST REPORT", "DATAGRAMS", "RECORDS", "LOST", "DROPPED"}, rows)
}

// admit tells the decoder of exporters that were admitted by command.
func (w *senseWatch) admit(ctx context.Context) error {
	if w.decoder == nil {
		return nil
	}
	var list []string
	if _, err := w.session.load(ctx, docExporters, docOnly, &list); err != nil {
		return err
	}
	prefixes, err := config.Prefixes(list)
	if err != nil {
		return err
	}
	for _, p := range prefixes {
		w.decoder.Admit(netflow.Exporter{Prefix: p})
	}
	return nil
}

// exporters are the reports about each exporter this sensor hears. Their number is
// bounded by the decoder.
func (w *senseWatch) exporters() []store.SensorHealth {
	if w.decoder == nil {
		return nil
	}
	now := time.Now()
	st := w.decoder.Stats()
	var out []store.SensorHealth
	for i := range st.Exporters {
		e := &st.Exporters[i]
		drops := e.DatagramDrops
		drops.Merge(&e.SetDrops)
		drops.Merge(&e.RowDrops)
		out = append(out, store.SensorHealth{Time: now, Sensor: e.Exporter.Addr().String(), Kind: kindExporter, State: "ok",
			Message: samplingWords(e.Sampling), Drops: dropMap(&drops),
			Counters: map[string]uint64{"datagrams": e.Datagrams, "records": e.Rows, "lost": e.LostFlows + e.LostPackets + e.LostRecords + e.LostDatagrams}})
	}
	for _, u := range st.Unknown {
		out = append(out, store.SensorHealth{Time: now, Sensor: u.Addr.String(), Kind: kindUnknown, State: "refused",
			Message: "not admitted", Counters: map[string]uint64{"datagrams": u.Datagrams}})
	}
	return out
}

func samplingWords(n uint32) string {
	if n <= 1 {
		return "all packets"
	}
	return fmt.Sprintf("1 in %d", n)
}
