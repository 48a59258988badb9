package main

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/store"
)

// rhythmSpan is how far back rhythms look: a year's closing is seen once more.
const rhythmSpan = 400 * 24 * time.Hour

// dependencyRhythm is when a dependency is used.
type dependencyRhythm struct {
	mapper.DependencyName
	Rhythm flow.Rhythm `json:"rhythm"`
	Days   []uint32    `json:"days"`  // UTC, since 1 January 1970
	Hours  uint32      `json:"hours"` // bit h: in hour h of some day
	used   flow.EdgeStats
}

func rhythmsCmd(a *app) *cobra.Command {
	var only string
	var w window
	cmd := &cobra.Command{
		Use: "rhythms", Short: "When dependencies are used: steadily, nightly, weekly, at the turn of months, once", Args: cobra.NoArgs,
		Long: "Looks back 400 days over the edges kept by the day, so that what closes a month, a quarter or a\nyear is told from what happened once.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				first, newest, err := s.recorded(cmd.Context())
				if err != nil {
					return err
				}
				since, until, err := w.resolve(newest, rhythmSpan)
				if err != nil {
					return err
				}
				list, err := s.rhythms(cmd.Context(), max(since, first), until)
				if err != nil {
					return err
				}
				list = slices.DeleteFunc(list, func(d dependencyRhythm) bool { return only != "" && string(d.Rhythm) != only })
				if a.json {
					return a.printJSON(list)
				}
				return table(a.out, []string{"CLIENT", "SERVER", "SERVICE", "RHYTHM", "DAYS", "HOURS UTC", "LAST DAY"}, rhythmRows(list))
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&only, "only", "", "one rhythm: steady, working-hours, daily, nightly, weekly, monthly, month-end, occasional, once")
	return cmd
}

// rhythms reads when every dependency of a window was used; parties that are one
// workload by the inventory are one.
func (s *session) rhythms(ctx context.Context, since, until flow.Time) ([]dependencyRhythm, error) {
	index, err := s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	read, err := s.store.Rhythms(ctx, store.Query{Since: since, Until: until})
	if err != nil {
		return nil, err
	}
	name := func(p flow.Party, day uint32) string {
		if w := index.Resolve(p, flow.Time(day)*flow.Time(24*time.Hour)); w != nil {
			return w.ID
		}
		if p.Scope != 0 {
			return p.Addr.String() + "@" + p.Scope.String()
		}
		return p.Addr.String()
	}
	byName := map[mapper.DependencyName]*dependencyRhythm{}
	for _, r := range read {
		if len(r.Days) == 0 {
			continue
		}
		last := r.Days[len(r.Days)-1]
		k := mapper.DependencyName{Client: name(r.Client, last), Server: name(r.Server, last), Service: r.Service}
		d := byName[k]
		if d == nil {
			d = &dependencyRhythm{DependencyName: k}
			byName[k] = d
		}
		d.Days, d.Hours = append(d.Days, r.Days...), d.Hours|r.Hours
		for _, h := range r.PerDay {
			d.used.Hours += uint32(h)
		}
	}
	out := make([]dependencyRhythm, 0, len(byName))
	for _, d := range byName {
		slices.Sort(d.Days)
		d.Days = slices.Compact(d.Days)
		d.used.Days = uint32(len(d.Days))
		d.Rhythm = flow.RhythmOn(&d.used, d.Days, d.Hours, since, until)
		out = append(out, *d)
	}
	slices.SortFunc(out, func(x, y dependencyRhythm) int {
		return cmp.Or(cmp.Compare(x.Client, y.Client), cmp.Compare(x.Server, y.Server), x.Service.Compare(y.Service))
	})
	return out, nil
}

func rhythmRows(list []dependencyRhythm) [][]string {
	rows := make([][]string, 0, len(list))
	for _, d := range list {
		last := flow.Time(d.Days[len(d.Days)-1]) * flow.Time(24*time.Hour)
		rows = append(rows, []string{d.Client, d.Server, d.Service.String(), string(d.Rhythm), fmt.Sprint(len(d.Days)), hourWords(d.Hours), last.Std().Format(time.DateOnly)})
	}
	return rows
}

// hourWords is "2-5, 23" for the hours whose bits are set, "all" for every one.
func hourWords(hours uint32) string {
	if bits.OnesCount32(hours) == 24 {
		return "all"
	}
	var parts []string
	for h := 0; h < 24; h++ {
		first := h
		for h < 24 && hours>>h&1 == 1 {
			h++
		}
		switch h - first {
		case 0:
		case 1:
			parts = append(parts, fmt.Sprint(first))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", first, h-1))
		}
	}
	return strings.Join(parts, ", ")
}
