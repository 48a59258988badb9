package main

import (
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

func TestWindow(t *testing.T) {
	newest := flow.TimeOf(time.Date(2026, 11, 8, 12, 0, 0, 0, time.UTC))
	at := func(s string) flow.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return flow.TimeOf(v)
	}
	for _, c := range []struct {
		since, until string
		from, to     flow.Time // 0: refused
	}{
		{"", "", at("2026-11-07T12:00:00Z") + 1, newest + 1},
		{"7d", "", at("2026-11-01T12:00:00Z"), newest + 1},
		{"1w", "1d", at("2026-11-01T12:00:00Z"), at("2026-11-07T12:00:00Z")},
		{"36h", "", at("2026-11-07T00:00:00Z"), newest + 1},
		{"2026-11-01", "2026-11-02T06:00:00Z", at("2026-11-01T00:00:00Z"), at("2026-11-02T06:00:00Z")},
		{"1d", "2d", 0, 0},
		{"soon", "", 0, 0},
		{"-3h", "", 0, 0},
		{"99999999999999d", "", 0, 0},
		{"200000d", "", 0, 0},
		{"NaNd", "", 0, 0},
	} {
		w := window{c.since, c.until}
		from, to, err := w.resolve(newest, 24*time.Hour)
		if (err != nil) != (c.from == 0) || err == nil && (from != c.from || to != c.to) {
			t.Errorf("since %q until %q: got %s – %s, %v; want %s – %s", c.since, c.until, from.Std(), to.Std(), err, c.from.Std(), c.to.Std())
		}
	}
}
