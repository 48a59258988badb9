package main

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/authority"
	"github.com/bulkhead/bulkhead/fleet/controller"
	"github.com/bulkhead/bulkhead/topology"
)

// originJoin marks workloads that are known because their agent joined.
const originJoin = "join"

// joined lists the hosts that joined the controller of this data folder, with the
// addresses they proved; none where there is no controller, or where its register
// is not this user's to read.
func (a *app) joined() ([]controller.Host, error) {
	enrolled, err := authority.Enrolled(a.fleetDir("authority"))
	if err != nil || len(enrolled) == 0 {
		return nil, readable(err)
	}
	sights, err := controller.Sights(a.fleetDir("controller"))
	if err != nil {
		return nil, readable(err)
	}
	return controller.Known(enrolled, sights), nil
}

func readable(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// labelJoined puts the labels of tokens on the workloads whose agents joined with
// them: those that hold the address the agent speaks from. An address that nobody
// holds becomes a workload. What people decide on labels comes after, and wins.
func labelJoined(inv *topology.Inventory, hosts []controller.Host, now time.Time) {
	var holders map[topology.Address]int
	for i := range hosts {
		h := &hosts[i]
		if h.Role == fleet.Gateway || len(h.Labels) == 0 || !h.From.IsValid() {
			continue
		}
		if holders == nil {
			holders = lastHolders(inv)
		}
		addr := topology.Address{Addr: h.From}
		w, held := holders[addr]
		if held && holdsAt(&inv.Workloads[w], addr, now) {
			inv.Workloads[w].Labels = inv.Workloads[w].Labels.Merge(h.Labels)
			continue
		}
		if held { // by somebody before, or from later on
			end := lastEnd(&inv.Workloads[w], addr)
			if end.IsZero() || end.After(now) {
				continue
			}
			addr.From = end
		}
		id := h.From.String()
		if !slices.ContainsFunc(inv.Workloads, func(w topology.Workload) bool { return w.ID == id }) {
			inv.Workloads = append(inv.Workloads, topology.Workload{ID: id, Labels: h.Labels, Origin: originJoin, Addresses: []topology.Address{addr}})
			holders[topology.Address{Addr: h.From}] = len(inv.Workloads) - 1
		}
	}
}

func holdsAt(w *topology.Workload, addr topology.Address, now time.Time) bool {
	return slices.ContainsFunc(w.Addresses, func(a topology.Address) bool {
		return a.Addr == addr.Addr && a.Scope == addr.Scope && !a.From.After(now) && (a.To.IsZero() || now.Before(a.To))
	})
}

// lastEnd is when a workload's last interval at an address ends; zero for never.
func lastEnd(w *topology.Workload, addr topology.Address) (end time.Time) {
	for _, a := range w.Addresses {
		if a.Addr != addr.Addr || a.Scope != addr.Scope {
			continue
		}
		if a.To.IsZero() {
			return a.To
		}
		if a.To.After(end) {
			end = a.To
		}
	}
	return end
}

// decided are the labels that people gave workloads, by id.
func (s *session) decided(ctx context.Context) (map[string]topology.Labels, error) {
	var book labelBook
	_, err := s.load(ctx, docLabels, docOnly, &book)
	return book.Labels, err
}
