package main

import (
	"context"
	"io"
	"time"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/recommender/export"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

// Recommend implements httpapi.Advisor.
func (b *backend) Recommend(ctx context.Context, q httpapi.RecommendQuery) (*policy.Recommendation, error) {
	m, probes, err := b.view(ctx, q.Window)
	if err != nil {
		return nil, err
	}
	opt := recommender.Options{Level: q.Level, Scope: scopeLabels(q.Scope)}
	if opt.Networks, err = b.s.networks(ctx); err != nil {
		return nil, err
	}
	if opt.Answers, err = b.s.answers(ctx); err != nil {
		return nil, err
	}
	if q.Base {
		if opt.Base, _, err = b.s.savedPolicies(ctx); err != nil {
			return nil, httpapi.Errorf(httpapi.CodeInvalid, "%v", err)
		}
	}
	return recommender.Recommend(m, probes, opt)
}

// scopeLabels are the labels a selector asks for with a single value.
func scopeLabels(sel policy.Selector) topology.Labels {
	l := topology.Labels{}
	for _, r := range sel {
		if len(r.In) == 1 {
			l[r.Key] = r.In[0]
		}
	}
	return l
}

// Simulate implements httpapi.Advisor.
func (b *backend) Simulate(ctx context.Context, set *policy.Set, w httpapi.Window) (*policy.Simulation, error) {
	m, probes, err := b.view(ctx, w)
	if err != nil {
		return nil, err
	}
	return recommender.Simulate(set, m, probes, recommender.SimulateOptions{})
}

// Reach implements httpapi.Advisor.
func (b *backend) Reach(ctx context.Context, q httpapi.ReachQuery) (*policy.Reach, error) {
	m, _, err := b.view(ctx, q.Window)
	if err != nil {
		return nil, err
	}
	from, err := findNode(m, q.From)
	if err != nil {
		return nil, httpapi.Errorf(httpapi.CodeNotFound, "%v", err)
	}
	return recommender.BlastRadius(m, q.Set, from)
}

// ParsePolicy implements httpapi.Advisor.
func (b *backend) ParsePolicy(_ context.Context, yaml []byte) (*policy.Set, error) {
	set, err := policy.Parse(yaml, "policy")
	if err != nil {
		return nil, httpapi.Errorf(httpapi.CodeInvalid, "%v", err)
	}
	return set, nil
}

// FormatPolicy implements httpapi.Advisor.
func (b *backend) FormatPolicy(_ context.Context, set *policy.Set) ([]byte, error) {
	return policy.Format(set), nil
}

// ExportFormats implements httpapi.Advisor.
func (b *backend) ExportFormats() []httpapi.ExportFormat {
	var out []httpapi.ExportFormat
	for _, f := range exportFormats() {
		out = append(out, httpapi.ExportFormat{Name: f.Name, Title: f.Title, Extension: f.Extension, ContentType: f.ContentType})
	}
	return out
}

// Export implements httpapi.Advisor.
func (b *backend) Export(ctx context.Context, q httpapi.ExportQuery, w io.Writer) ([]string, error) {
	m, probes, err := b.view(ctx, q.Window)
	if err != nil {
		return nil, err
	}
	sim, err := recommender.Simulate(q.Set, m, probes, recommender.SimulateOptions{})
	if err != nil {
		return nil, err
	}
	members, err := b.s.members(ctx, m)
	if err != nil {
		return nil, err
	}
	in := export.Input{Set: q.Set, Map: m, Members: members, Recommendation: q.Recommendation, Simulation: sim, At: time.Now().UTC()}
	if err := b.s.review(ctx, q.Format, &in, probes); err != nil {
		return nil, err
	}
	losses, err := exportSet(w, q.Format, in)
	if err != nil {
		return nil, httpapi.Errorf(httpapi.CodeInvalid, "%v", err)
	}
	return losses, nil
}

// Violations implements httpapi.ViolationSource.
func (b *backend) Violations(ctx context.Context, q httpapi.ViolationQuery) ([]policy.Violation, error) {
	return b.s.store.Violations(ctx, store.ViolationQuery{Query: store.Query{Since: q.Since, Until: q.Until},
		Policy: q.Policy, EnforcedOnly: q.BlockedOnly, Limit: q.Limit})
}

// Readiness implements httpapi.ReadinessSource.
func (b *backend) Readiness(ctx context.Context, w httpapi.Window) ([]policy.Readiness, error) {
	m, probes, err := b.view(ctx, w)
	if err != nil {
		return nil, err
	}
	return b.s.readiness(ctx, m, probes, recommender.DefaultHorizon)
}
