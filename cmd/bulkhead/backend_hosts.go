package main

import (
	"context"
	"errors"
	"os"

	"github.com/bulkhead/bulkhead/fleet/authority"
	"github.com/bulkhead/bulkhead/httpapi"
)

// Controller implements httpapi.HostSource.
func (b *backend) Controller() bool { return b.s.app.cfg.Controller.Listen != "" }

// Hosts implements httpapi.HostSource from the register and what the controller
// last kept. Where no authority was ever made, nobody joined: reading must not make
// one.
func (b *backend) Hosts(context.Context) ([]httpapi.Host, error) {
	if _, err := os.Stat(b.s.app.fleetDir("authority")); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	list, err := b.s.app.hostStatuses()
	if err != nil {
		return nil, err
	}
	out := make([]httpapi.Host, len(list))
	for i := range list {
		out[i] = hostOf(hostLine(&list[i]))
	}
	return out, nil
}

func hostOf(h hostJSON) httpapi.Host {
	out := httpapi.Host{Name: h.Name, Role: h.Role, State: h.State, Problem: h.Problem, Version: h.Version, Labels: h.Labels,
		Addrs: h.Addrs, Workloads: h.Workloads, Joined: h.Joined, Heartbeat: h.Heartbeat, Certificate: h.CertExpiry,
		Wanted: h.Wanted, Held: h.Held, Pending: h.Pending, Deadline: h.Deadline, Queued: h.Queued, ClockSkew: h.ClockSkew}
	for _, n := range h.Lost {
		out.Lost += n
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	if out.Workloads == nil {
		out.Workloads = []string{}
	}
	return out
}

// ConfirmHost implements httpapi.HostSource.
func (b *backend) ConfirmHost(ctx context.Context, _, name string) error {
	list, err := b.Hosts(ctx)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Name != name {
			continue
		}
		if list[i].Pending == 0 {
			return httpapi.Errorf(httpapi.CodeConflict, "nothing waits to be confirmed on %s", name)
		}
		return b.s.app.eachHost([]string{name}, func(auth *authority.Authority, name string) error {
			return auth.Confirm(name, list[i].Pending)
		})
	}
	return httpapi.Errorf(httpapi.CodeNotFound, "no host called %s has joined", name)
}
