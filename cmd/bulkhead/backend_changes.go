package main

import (
	"context"

	"github.com/bulkhead/bulkhead/change"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/policy"
)

// Changes implements httpapi.ChangeSource.
func (b *backend) Changes(ctx context.Context) ([]httpapi.Change, error) {
	list, err := b.s.plannedChanges(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]httpapi.Change, len(list))
	for i := range list {
		out[i] = changeOf(&list[i])
	}
	return out, nil
}

// Change implements httpapi.ChangeSource.
func (b *backend) Change(ctx context.Context, id string) (*httpapi.ChangeDetail, error) {
	c, _, err := b.s.loadChange(ctx, id)
	if err != nil {
		return nil, apiError(err)
	}
	if c.ID == "" {
		return nil, httpapi.Errorf(httpapi.CodeNotFound, "there is no change %q", id)
	}
	out := &httpapi.ChangeDetail{Change: changeOf(&c), Effects: orNone(c.Effects), Ruleset: orNone(c.Ruleset), Forecast: forecastOf(&c.Forecast),
		Plan: []httpapi.ChangeSegment{}, Steps: []httpapi.ChangeStep{}}
	for _, s := range c.Segments {
		out.Plan = append(out.Plan, httpapi.ChangeSegment{Policy: s.Policy, Kind: string(s.Kind), Stage: s.Stage, Priority: s.Priority, Workloads: s.Workloads,
			Dependents: s.Dependents, Breaks: s.Breaks, AtRisk: s.AtRisk, Why: orNone(s.Why), Canary: orNone(s.Canary)})
	}
	for _, s := range c.Steps {
		out.Steps = append(out.Steps, httpapi.ChangeStep{Time: s.Time, Event: s.Event, By: s.By, Why: s.Why, Host: s.Host, Segment: s.Segment})
	}
	return out, nil
}

func changeOf(c *change.Change) httpapi.Change {
	out := httpapi.Change{ID: c.ID, Author: c.Author, Reason: c.Reason, Created: c.Created, State: c.State(), Segments: len(c.Segments), Hosts: []httpapi.ChangeHost{}}
	for _, h := range c.Hosts() {
		state, segment := c.On(h)
		out.Hosts = append(out.Hosts, httpapi.ChangeHost{Host: h, State: state, Segment: segment})
	}
	return out
}

func forecastOf(f *change.Forecast) httpapi.ChangeForecast {
	out := httpapi.ChangeForecast{Since: f.Since, Until: f.Until, Legitimate: f.Legitimate, Expected: f.Expected, Stopped: f.Stopped, Violations: []httpapi.ForecastedBreak{}}
	for _, v := range f.Violations {
		out.Violations = append(out.Violations, httpapi.ForecastedBreak{Client: v.Client, Server: v.Server, Service: v.Service, Connections: v.Connections, Policy: v.Policy, Concern: policy.Concern(v.Concern)})
	}
	return out
}

// orNone is a list that is never null on the wire.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
