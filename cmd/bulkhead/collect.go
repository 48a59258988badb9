package main

import (
	"fmt"
	"net/netip"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/collector/netflow/stitch"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/policy"
)

// collectorOptions turns the configuration into what collectors take.
func (a *app) collectorOptions() (collector.Options, error) {
	c := a.cfg.Collector
	over, err := overrides(c)
	if err != nil {
		return collector.Options{}, err
	}
	ignore, err := config.Prefixes(c.Ignore)
	if err != nil {
		return collector.Options{}, err
	}
	exporters, err := a.netflowOptions(over)
	if err != nil {
		return collector.Options{}, err
	}
	return collector.Options{
		Direction: over, Ignore: ignore, ExportPorts: c.ExportPorts, NetFlow: exporters,
		Assemble: assemble.Options{Capacity: c.MaxFlows, Idle: c.IdleTimeout, Active: c.ActiveTimeout,
			ScopeVLAN: c.ScopeVLAN, ScopeVNI: c.ScopeVNI},
	}, nil
}

func (a *app) netflowOptions(over direction.Overrides) (netflow.Options, error) {
	c := a.cfg.Collector
	prefixes, err := config.Prefixes(c.Exporters)
	if err != nil {
		return netflow.Options{}, err
	}
	ignore, err := config.Prefixes(c.Ignore)
	if err != nil {
		return netflow.Options{}, err
	}
	o := netflow.Options{OnlyListed: len(prefixes) > 0, Ignore: ignore}
	o.Stitch = stitch.Options{Learner: direction.New(direction.Options{Overrides: over})}
	if len(prefixes) == 0 && c.Sampling > 1 {
		prefixes = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	for _, p := range prefixes {
		o.Exporters = append(o.Exporters, netflow.Exporter{Prefix: p, Sampling: c.Sampling})
	}
	return o, nil
}

// overrides are what the operator says about who is the client.
func overrides(c config.Collector) (direction.Overrides, error) {
	var o direction.Overrides
	for _, text := range c.ServerPorts {
		services, err := policy.ParseService(text)
		if err != nil {
			return o, fmt.Errorf("collector.serverPorts: %w", err)
		}
		for _, s := range services {
			if !flow.HasPorts(s.Proto) {
				return o, fmt.Errorf("collector.serverPorts: %q has no ports", text)
			}
			o.ServerPorts = append(o.ServerPorts, direction.PortRange{Proto: s.Proto, From: s.From, To: s.To})
		}
	}
	for addr, side := range c.DirectionOverrides {
		p, err := config.Prefixes([]string{addr})
		if err != nil {
			return o, fmt.Errorf("collector.directionOverrides: %w", err)
		}
		switch side {
		case "server":
			o.Servers = append(o.Servers, p...)
		case "client":
			o.Clients = append(o.Clients, p...)
		default:
			return o, fmt.Errorf("collector.directionOverrides: %s: %q is neither server nor client", addr, side)
		}
	}
	return o, nil
}
