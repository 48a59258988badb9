package main

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/flow"
)

// window is a span of recorded traffic as typed: a duration back from the newest
// record ("7d", "36h"), a day ("2026-11-01") or an instant (RFC 3339).
type window struct{ since, until string }

func (w *window) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.since, "since", "", "from: 7d, 36h (back from the newest record), 2026-11-01 or RFC 3339")
	cmd.Flags().StringVar(&w.until, "until", "", "to, exclusive; same forms")
}

// resolve turns the words into instants. newest is the end of recorded traffic,
// fallback how far back the window goes when nothing was typed.
func (w *window) resolve(newest flow.Time, fallback time.Duration) (since, until flow.Time, err error) {
	until = newest + 1
	if w.until != "" {
		if until, err = parseInstant(w.until, newest); err != nil {
			return 0, 0, usagef("--until: %v", err)
		}
	}
	since = until.Add(-fallback)
	if w.since != "" {
		if since, err = parseInstant(w.since, newest); err != nil {
			return 0, 0, usagef("--since: %v", err)
		}
	}
	if since >= until {
		return 0, 0, usagef("the window ends (%s) before it begins (%s)", day(until), day(since))
	}
	return since, until, nil
}

func parseInstant(s string, newest flow.Time) (flow.Time, error) {
	if d, err := parseSpan(s); err == nil {
		return newest.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return flow.TimeOf(t), nil
		}
	}
	return 0, usagef("%q is neither a duration like 7d or 36h, nor a day like 2026-11-01, nor RFC 3339", s)
}

// parseSpan is time.ParseDuration with days and weeks.
func parseSpan(s string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			v, err := strconv.ParseFloat(n, 64)
			if err == nil && v*float64(unit) >= math.MaxInt64 {
				return 0, usagef("%q is longer than 292 years", s)
			}
			if err == nil && v >= 0 {
				return time.Duration(v * float64(unit)), nil
			}
		}
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		return 0, usagef("%q is negative", s)
	}
	return d, err
}
