package export_test

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// A reviewer sees of every rule what it stands on: flows, workloads, days, how
// regularly, first and last time, who decided, and the confidence.
func TestEvidenceIsShown(t *testing.T) {
	in := shop(t)
	since := flow.TimeOf(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	stats := flow.EdgeStats{Flows: 77, Days: 10, Hours: 90, Sensors: 2, Evidence: flow.EvidenceSYN, Confidence: 98, First: since, Last: since.Add(13 * 24 * time.Hour)}
	once := flow.EdgeStats{Flows: 2, Days: 1, Hours: 1, First: since, Last: since}
	in.Recommendation = &policy.Recommendation{Level: policy.ServiceLevel, Set: in.Set, Since: since, Until: since.Add(14 * 24 * time.Hour),
		Evidence: []policy.Evidence{{Policy: "shop-prod", Rule: "web-to-db", EdgeStats: stats, Clients: 2, Servers: 1, Confidence: 0.87},
			{Policy: "shop-prod", Rule: "admin", EdgeStats: once, Clients: 1, Servers: 3, Decided: true, Confidence: 0.5}}}
	for _, format := range []string{"markdown", "html"} {
		out, _ := render(t, format, in)
		for _, want := range []string{"77 flows, 2 → 1 workloads, 10 days (working-hours), first 2026-11-01 00:00, last 2026-11-14 00:00, 2 observation points, direction by syn (98 %)", ", 1 day (once), allowed by decision", "0.87"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", format, want, out)
			}
		}
	}
	out, _ := render(t, "csv", in)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	row := rows[slices.IndexFunc(rows, func(r []string) bool { return r[column["rule"]] == "web-to-db" })]
	for name, want := range map[string]string{"flows": "77", "days seen": "10", "rhythm": "working-hours", "first seen": "2026-11-01 00:00", "last seen": "2026-11-14 00:00", "observation points": "2", "direction known by": "syn", "direction confidence": "98", "confidence": "0.87"} {
		if got := row[column[name]]; got != want {
			t.Errorf("csv %s: %q, want %q", name, got, want)
		}
	}
}
