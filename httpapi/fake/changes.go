package fake

import (
	"context"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Proposals implements httpapi.ProposalSource: one rule, and one decision.
func (b *Backend) Proposals(context.Context, httpapi.Window) (*policy.Proposals, error) {
	out := &policy.Proposals{Notes: []string{"two hosts have not reported for an hour"}}
	for _, d := range b.Estate.Graph.Deps {
		if b.concern(d) == "" {
			continue
		}
		rule := b.rule(d)
		out.Rules = append(out.Rules, policy.RuleChange{Policy: "point-of-sale-prod", Rule: rule.Name, Origin: policy.OriginNew, After: rule, Why: "seen in monitor, missed in discovery", Violations: 12})
		out.Evidence = append(out.Evidence, policy.Evidence{Policy: "point-of-sale-prod", Rule: rule.Name, EdgeStats: d.EdgeStats, Clients: 1, Servers: 1, Confidence: 0.8, Examples: []topology.Dependency{d}})
		out.Decisions = append(out.Decisions, policy.Decision{ID: "v1", Concern: policy.ConcernUnproven, Title: "controller tries SSH of store-server", Why: "nobody answered", Policy: "point-of-sale-prod", Rule: rule, Stats: d.EdgeStats, Total: 1})
		break
	}
	return out, b.Err
}

// AcceptProposals implements httpapi.ProposalSource.
func (b *Backend) AcceptProposals(_ context.Context, _ string, names []string, _ string) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Accepted = append(b.Accepted, names...)
	return []string{"point-of-sale-prod"}, b.Err
}

// change is one that was enforced on one host of two and is being watched.
func (b *Backend) change() *httpapi.ChangeDetail {
	last := b.Estate.Until.Std()
	applied := last.Add(-20 * 24 * time.Hour) // before all traffic, so that its watch has something to show
	d := &httpapi.ChangeDetail{
		Change: httpapi.Change{ID: "20261101-pos", Author: "root", Reason: "point of sale is closed", Created: applied.Add(-time.Hour), State: "partly confirmed", Segments: 2,
			Hosts: []httpapi.ChangeHost{{Host: "store-gw-1", State: "confirmed", Segment: 2}, {Host: "store-gw-2", State: "applied"}}},
		Effects: []string{"controller of climate (prod) can no longer reach store-server of point-of-sale (prod) on tcp/445"},
		Ruleset: []string{"+ add element inet bulkhead allow { 10.1.0.4 . 10.2.0.4 . tcp . 9100 }", "- delete element inet bulkhead allow { 10.28.0.4 . 10.2.0.4 . tcp . 445 }"},
		Forecast: httpapi.ChangeForecast{Since: b.Estate.Since, Until: b.Estate.Until, Expected: policy.SimTotal{Dependencies: 120, Connections: 720},
			Violations: []httpapi.ForecastedBreak{{Client: "climate-controller-prod-001", Server: "point-of-sale-store-server-prod-001", Service: flow.Service{Proto: flow.TCP, Port: 445}, Connections: 6, Policy: "point-of-sale-prod", Concern: policy.ConcernVendor}}},
		Plan: []httpapi.ChangeSegment{
			{Policy: "office-prod", Kind: "monitors", Stage: policy.Monitor, Workloads: 120, Why: []string{"nothing is blocked in monitor"}, Canary: []string{}},
			{Policy: "point-of-sale-prod", Kind: "enforces", Stage: policy.Enforce, Priority: topology.PriorityMedium, Workloads: 300, Dependents: 61, AtRisk: 0.4, Why: []string{"61 workloads depend on it", "0.4 dependencies may still be unseen"}, Canary: []string{"point-of-sale-store-server-prod-001"}},
		},
		Steps: []httpapi.ChangeStep{
			{Time: applied.Add(-time.Hour), Event: "planned", By: "root", Why: "point of sale is closed"},
			{Time: applied, Event: "applied", By: "root", Host: "store-gw-1", Segment: 2},
			{Time: applied.Add(2 * time.Minute), Event: "confirmed", By: "root", Host: "store-gw-1", Segment: 2},
		},
	}
	return d
}

// Changes implements httpapi.ChangeSource.
func (b *Backend) Changes(context.Context) ([]httpapi.Change, error) {
	if len(b.Estate.Graph.Nodes) == 0 {
		return nil, b.Err
	}
	return []httpapi.Change{b.change().Change}, b.Err
}

// Change implements httpapi.ChangeSource.
func (b *Backend) Change(_ context.Context, id string) (*httpapi.ChangeDetail, error) {
	c := b.change()
	if id != c.ID {
		return nil, httpapi.Errorf(httpapi.CodeNotFound, "there is no change %s", id)
	}
	return c, b.Err
}

// Controller implements httpapi.HostSource.
func (b *Backend) Controller() bool { return true }

// Hosts implements httpapi.HostSource: one in sync, one that waits, one silent.
func (b *Backend) Hosts(context.Context) ([]httpapi.Host, error) {
	last := b.Estate.Until.Std()
	if len(b.Estate.Graph.Nodes) == 0 {
		return nil, b.Err
	}
	host := func(name, role, state, problem string, ago time.Duration) httpapi.Host {
		return httpapi.Host{Name: name, Role: role, State: state, Problem: problem, Version: "1.0", Labels: map[string]string{"loc": "store"}, Addrs: []string{"10.2.0.4"},
			Workloads: []string{"point-of-sale-store-server-prod-001"}, Joined: last.Add(-90 * time.Hour), Heartbeat: last.Add(-ago), Certificate: last.Add(20 * time.Hour), Wanted: 7, Held: 7}
	}
	waiting := host("store-gw-2", "gateway", "pending", "", time.Second)
	waiting.Held, waiting.Pending, waiting.Deadline = 6, 7, last.Add(time.Minute)
	return []httpapi.Host{host("store-gw-1", "gateway", "in sync", "", time.Second), waiting, host("store-server-9", "host", "silent", "no heartbeat for 3 minutes", 200*time.Second)}, b.Err
}

// ConfirmHost implements httpapi.HostSource.
func (b *Backend) ConfirmHost(_ context.Context, _, name string) error {
	if name != "store-gw-2" {
		return httpapi.Errorf(httpapi.CodeConflict, "nothing waits to be confirmed on %s", name)
	}
	return b.Err
}
