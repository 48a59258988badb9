package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/recommender/export"
	"github.com/bulkhead/bulkhead/topology"
)

// review adds what only people read: readiness, how far a compromise spreads, and
// the blast radius of the outside that reaches furthest. Files for enforcement
// points go without.
func (s *session) review(ctx context.Context, format string, in *export.Input, probes []flow.Probe) (err error) {
	if !forReview(format) {
		return nil
	}
	if in.Readiness, err = s.readiness(ctx, in.Map, probes, recommender.DefaultHorizon); err != nil {
		return err
	}
	in.ExposureToday, in.ExposureDraft = recommender.Exposure(in.Map, nil), recommender.Exposure(in.Map, in.Set)
	in.Today, err = furthest(in.Map)
	if err != nil || in.Today == nil {
		return err
	}
	in.Draft, err = recommender.BlastRadius(in.Map, in.Set, in.Today.From)
	return err
}

func forReview(format string) bool {
	for _, f := range export.Formats() {
		if f.Name == format {
			return !f.Enforces && (format == "markdown" || format == "html" || format == "json")
		}
	}
	return false
}

// furthest is the blast radius of the named network outside that reaches most;
// nil when nothing comes in from one.
func furthest(m *topology.Map) (most *policy.Reach, err error) {
	for i := range m.Graph.Nodes {
		n := &m.Graph.Nodes[i]
		if n.Kind != topology.NodeNetwork && n.Kind != topology.NodeNAT {
			continue
		}
		r, err := recommender.BlastRadius(m, nil, n.ID)
		if err != nil {
			return nil, err
		}
		if r.Reachable > 0 && (most == nil || r.Reachable > most.Reachable) {
			most = r
		}
	}
	return most, nil
}

// writeExposure prints how far a compromise of any one workload spreads, and under
// a policy what it would be and what one rule of it contributes.
func (a *app) writeExposure(w io.Writer, m *topology.Map, set *policy.Set, rule string) error {
	today := recommender.Exposure(m, nil)
	report := map[string]any{"today": today}
	if set != nil {
		report["draft"] = recommender.Exposure(m, set)
	}
	if rule != "" {
		policyName, name, ok := strings.Cut(rule, "/")
		if !ok || set == nil || !hasRule(set, policyName, name) {
			return usagef("--rule %s: want POLICY/RULE of the file that --policy names", rule)
		}
		report["contribution"] = recommender.Contribution(m, set, policyName, name)
	}
	if a.json {
		return a.printJSON(report)
	}
	row := func(what string, x *policy.Exposure) []string {
		return []string{what, fmt.Sprintf("%.1f%%", 100*x.Mean), fmt.Sprintf("%.1f%%", 100*x.Worst), x.WorstNode}
	}
	rows := [][]string{row("today", today)}
	if set != nil {
		rows = append(rows, row("under the policy", report["draft"].(*policy.Exposure)))
	}
	fmt.Fprintf(w, "how far a compromise of one of %d workloads spreads to the others, over the dependencies seen:\n\n", today.Inside)
	if err := table(w, []string{"", "MEAN", "WORST", "FROM"}, rows); err != nil {
		return err
	}
	if c, ok := report["contribution"].(float64); ok {
		fmt.Fprintf(w, "\nwithout rule %s the mean would be %.2f points lower\n", printable(rule), 100*c)
	}
	return nil
}

func hasRule(set *policy.Set, policyName, rule string) bool {
	for i := range set.Policies {
		for _, r := range set.Policies[i].Rules {
			if set.Policies[i].Name == policyName && r.Name == rule {
				return true
			}
		}
	}
	return false
}
