package main

import (
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

func TestDefaultSinceIsAMondayThatSomethingWasRecordedBefore(t *testing.T) {
	at := func(s string) flow.Time {
		v, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return flow.TimeOf(v)
	}
	for _, c := range []struct{ first, newest, want string }{
		{"2026-10-01 00:00", "2026-11-05 12:00", "2026-11-02 00:00"}, // a Thursday
		{"2026-10-01 00:00", "2026-11-02 12:00", "2026-10-26 00:00"}, // a Monday: the one before
		{"2026-10-26 00:00", "2026-11-02 23:59", "2026-11-02 00:00"}, // nothing was recorded before that one
		{"2026-11-03 00:00", "2026-11-05 12:00", "2026-11-04 12:00"}, // no Monday at all
	} {
		if got := defaultSince(at(c.first), at(c.newest)); got != at(c.want) {
			t.Errorf("recorded from %s to %s: since %s, want %s", c.first, c.newest, day(got), c.want)
		}
	}
}

func TestHourWords(t *testing.T) {
	for hours, want := range map[uint32]string{0: "", 1<<24 - 1: "all", 1 << 23: "23", 1<<2 | 1<<3 | 1<<4 | 1<<9: "2-4, 9"} {
		if got := hourWords(hours); got != want {
			t.Errorf("%b: %q, want %q", hours, got, want)
		}
	}
}
