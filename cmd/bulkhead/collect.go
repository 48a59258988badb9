package main

import (
	"fmt"
	"strconv"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/collector/netflow/stitch"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/policy"
)

// collectorOptions turns the configuration into what collectors take.
func collectorOptions(c config.Collector) (collector.Options, error) {
	over, err := overrides(c)
	if err != nil {
		return collector.Options{}, err
	}
	ignore, err := config.Prefixes(c.Ignore)
	if err != nil {
		return collector.Options{}, err
	}
	exports := netflow.Options{OnlyListed: len(c.Exporters) > 0, Sampling: c.Sampling}
	for i := range c.Exporters {
		e, err := exporterOf(&c.Exporters[i])
		if err != nil {
			return collector.Options{}, err
		}
		exports.Exporters = append(exports.Exporters, e)
	}
	return collector.Options{
		Sensor: c.Sensor, Direction: over, Ignore: ignore, ExportPorts: c.ExportPorts, NetFlow: exports,
		Assemble: assemble.Options{Capacity: c.MaxFlows, Idle: c.IdleTimeout, Active: c.ActiveTimeout,
			ScopeVLAN: c.ScopeVLAN, ScopeVNI: c.ScopeVNI},
	}, nil
}

// socketOptions is what the decoder behind sockets takes: as for exports found
// among packets, and with a learner of its own.
func socketOptions(o collector.Options) netflow.Options {
	n := o.NetFlow
	n.Ignore = o.Ignore
	n.MaxSkew = maxSkew
	n.Stitch.ScopeVLAN, n.Stitch.ScopeVNI = o.Assemble.ScopeVLAN, o.Assemble.ScopeVNI
	n.Stitch.Learner = direction.New(direction.Options{Overrides: o.Direction})
	return n
}

// exporterOf turns what the operator says about exporters into the collector's
// terms.
func exporterOf(c *config.Exporter) (netflow.Exporter, error) {
	if err := c.Check(); err != nil {
		return netflow.Exporter{}, fmt.Errorf("collector.exporters: %w", err)
	}
	prefixes, err := config.Prefixes([]string{c.Prefix})
	if err != nil {
		return netflow.Exporter{}, fmt.Errorf("collector.exporters: %w", err)
	}
	e := netflow.Exporter{Prefix: prefixes[0], Name: c.Name, Sampling: c.Sampling,
		ScopeBy: scopeWords[c.Scope], Initiator: initiatorWords[c.Initiator]}
	if n, err := strconv.ParseUint(c.Scope, 10, 32); err == nil {
		e.Scope, e.ScopeBy = flow.Scope(n), stitch.ScopeFixed
	}
	return e, nil
}

var scopeWords = map[string]stitch.ScopeBy{
	"vlan": stitch.ScopeByVLAN, "vni": stitch.ScopeByVNI, "vrf": stitch.ScopeByVRF, "domain": stitch.ScopeByDomain,
}

var initiatorWords = map[string]plan.Initiator{"source": plan.InitiatorSource, "destination": plan.InitiatorDest}

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
