package fake

import (
	"context"

	"github.com/bulkhead/bulkhead/topology"
)

// InfrastructureKinds implements httpapi.Decider.
func (b *Backend) InfrastructureKinds() []string {
	return []string{"backup", "directory", "dns", "jump-host", "scanner"}
}

// Infrastructure implements httpapi.Decider.
func (b *Backend) Infrastructure(context.Context) ([]topology.InfrastructureDecision, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Shared, b.Err
}

// DecideInfrastructure implements httpapi.Decider: what is said is kept, the map
// stays as it is.
func (b *Backend) DecideInfrastructure(_ context.Context, _ string, list []topology.InfrastructureDecision) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Shared = append(b.Shared, list...)
	return b.Err
}

// DecideGroup implements httpapi.Decider.
func (b *Backend) DecideGroup(_ context.Context, _ string, d topology.GroupDecision) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Groups = append(b.Groups, d)
	return b.Err
}

// Claim implements httpapi.Claimer.
func (b *Backend) Claim(_ context.Context, _ string, c topology.Claim) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Claims = append(b.Claims, c)
	return b.Err
}
