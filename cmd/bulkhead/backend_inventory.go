package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/internal/inventory"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

// planLines bounds the lines of a plan that are shown.
const planLines = 2000

// identityRows bounds the names and programs of one workload that are shown.
const identityRows = 50

// Inventory implements httpapi.InventorySource.
func (b *backend) Inventory(ctx context.Context) (*topology.Inventory, uint64, error) {
	var inv topology.Inventory
	version, err := b.s.load(ctx, docInventory, docOnly, &inv)
	return &inv, version, err
}

// InventoryFormats implements httpapi.InventorySource.
func (b *backend) InventoryFormats() []string { return inventory.Formats() }

// PlanInventory implements httpapi.InventorySource.
func (b *backend) PlanInventory(ctx context.Context, in httpapi.InventoryImport) (*httpapi.InventoryPlan, error) {
	before, base, err := b.Inventory(ctx)
	if err != nil {
		return nil, err
	}
	next, err := importOf(before, in)
	if err != nil {
		return nil, err
	}
	lines := inventory.Diff(before, next)
	return &httpapi.InventoryPlan{Base: base, Lines: lines[:min(len(lines), planLines)], Total: len(lines),
		Workloads: len(next.Workloads), Networks: len(next.Networks)}, nil
}

// ImportInventory implements httpapi.InventorySource.
func (b *backend) ImportInventory(ctx context.Context, author string, in httpapi.InventoryImport, base uint64) (uint64, error) {
	before, now, err := b.Inventory(ctx)
	if err != nil {
		return 0, err
	}
	if now != base {
		return 0, httpapi.Errorf(httpapi.CodeConflict, "the inventory is at version %d by now; look at what the file would change again", now)
	}
	next, err := importOf(before, in)
	if err != nil {
		return 0, err
	}
	if err := b.s.saveInventory(ctx, next, base, author, "imported "+in.File); err != nil {
		return 0, apiError(err)
	}
	b.decided()
	return base + 1, b.hub.Publish(httpapi.Event{Kind: httpapi.EventDocument, Data: httpapi.Document{Kind: docInventory, Name: docOnly, Version: base + 1, Author: author}})
}

// importOf reads a file on top of what is there. What is wrong with it is the
// client's to know.
func importOf(before *topology.Inventory, in httpapi.InventoryImport) (*topology.Inventory, error) {
	if strings.TrimSpace(in.Data) == "" {
		return nil, httpapi.Errorf(httpapi.CodeInvalid, "%s is empty; an inventory of nobody is written `workloads: []`", in.File)
	}
	next, err := inventory.Read([]byte(in.Data), in.File, in.Format)
	if err != nil {
		return nil, httpapi.Errorf(httpapi.CodeInvalid, "%v", err)
	}
	if in.Rules != "" {
		rules, err := inventory.ReadRules([]byte(in.Rules), "label rules")
		if err != nil {
			return nil, httpapi.Errorf(httpapi.CodeInvalid, "%v", err)
		}
		rules.Apply(next)
	}
	if in.Merge {
		next = inventory.Merge(before, next)
	}
	if _, err := topology.NewIndex(next); err != nil {
		return nil, httpapi.Errorf(httpapi.CodeInvalid, "%s: %v", in.File, err)
	}
	return next, nil
}

// Hygiene implements httpapi.InventorySource.
func (b *backend) Hygiene(ctx context.Context) ([]httpapi.HygieneIssue, error) {
	m, err := b.Map(ctx, httpapi.Window{})
	if err != nil {
		return nil, err
	}
	index, err := b.s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	var out []httpapi.HygieneIssue
	for _, i := range mapper.Hygiene(m, index) {
		out = append(out, httpapi.HygieneIssue{Kind: i.Kind, Workload: i.Workload, Why: i.Why})
	}
	return out, nil
}

// Identity implements httpapi.IdentitySource.
func (b *backend) Identity(ctx context.Context, node *topology.Node) (*httpapi.Identity, error) {
	index, err := b.s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	out := &httpapi.Identity{Addresses: []httpapi.Holding{}, Names: []httpapi.NameSeen{}, Programs: []httpapi.Program{}}
	if w, ok := index.ByID(node.ID); ok {
		out.Origin = w.Origin
		for _, a := range w.Addresses {
			out.Addresses = append(out.Addresses, httpapi.Holding{Addr: a.Addr, Scope: a.Scope, From: a.From, To: a.To})
		}
	} else {
		for _, a := range node.Addrs {
			out.Addresses = append(out.Addresses, httpapi.Holding{Addr: a})
		}
	}
	slices.SortStableFunc(out.Addresses, func(x, y httpapi.Holding) int { return y.From.Compare(x.From) })
	if out.Names, err = b.namesOf(ctx, out.Addresses); err != nil {
		return nil, err
	}
	out.Programs, err = b.programsOf(ctx, node)
	return out, err
}

// namesOf finds the names of addresses while they were held.
func (b *backend) namesOf(ctx context.Context, held []httpapi.Holding) ([]httpapi.NameSeen, error) {
	out := []httpapi.NameSeen{}
	for _, h := range held[:min(len(held), identityRows)] {
		q := store.Query{Addr: h.Addr}
		if !h.From.IsZero() {
			q.Since = flow.TimeOf(h.From)
		}
		if !h.To.IsZero() {
			q.Until = flow.TimeOf(h.To)
		}
		names, err := b.s.store.Names(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range names {
			n := &names[i]
			if n.Scope == h.Scope || h.Scope == 0 {
				out = append(out, httpapi.NameSeen{Name: n.Name, Addr: n.Addr, Kind: n.Kind.String(), First: n.First, Last: n.Last, Count: n.Count})
			}
		}
	}
	slices.SortStableFunc(out, func(x, y httpapi.NameSeen) int { return cmp.Compare(y.Count, x.Count) })
	return out[:min(len(out), identityRows)], nil
}

// programsOf lists what the host said runs at its end of services.
func (b *backend) programsOf(ctx context.Context, node *topology.Node) ([]httpapi.Program, error) {
	mine := parties([]topology.Node{*node})
	out := []httpapi.Program{}
	for _, q := range []store.Query{{ServerAny: mine}, {ClientAny: mine}} {
		list, err := b.s.store.Programs(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range list {
			p := &list[i]
			out = append(out, httpapi.Program{Name: p.Process, Service: p.Service, Serves: p.Serves, Flows: p.Flows, Last: p.Last})
		}
	}
	return out[:min(len(out), identityRows)], nil
}
