package main

import (
	"context"
	"log/slog"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// options is everything the API can ask this program.
func (b *backend) options(log *slog.Logger) httpapi.Options {
	return httpapi.Options{Log: log, Hub: b.hub, Violations: b, Readiness: b, Exposure: b,
		Identities: b, Inventory: b, History: b, Decider: b, Claimer: b, Proposals: b, Hosts: b, Changes: b, Counters: &b.requests}
}

// measured is what /metrics shows: the stages of the sensors in this process, and the
// API's requests.
func (b *backend) measured() []httpapi.Stage { return append(b.stages(), b.requests.Stage()) }

// InfrastructureKinds implements httpapi.Decider.
func (b *backend) InfrastructureKinds() []string { return mapper.Kinds() }

// Infrastructure implements httpapi.Decider.
func (b *backend) Infrastructure(ctx context.Context) ([]topology.InfrastructureDecision, error) {
	var said mapper.Decisions
	_, err := b.s.load(ctx, docMapping, docOnly, &said)
	return said.Infrastructure, err
}

// Exposure implements httpapi.ExposureSource.
func (b *backend) Exposure(ctx context.Context, w httpapi.Window, set *policy.Set) (*policy.Exposure, error) {
	m, _, err := b.view(ctx, w)
	if err != nil {
		return nil, err
	}
	return recommender.Exposure(m, set), nil
}
