package fake

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/topology"
)

// The fake's inventory is the estate's workloads with their first address, and what
// was imported on top: an address and a name a line.

// Inventory implements httpapi.InventorySource.
func (b *Backend) Inventory(context.Context) (*topology.Inventory, uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	inv := &topology.Inventory{Networks: []topology.Network{{Name: "card-acquirer", Domains: []string{"acquirer.example"}}}}
	for i := range b.Estate.Graph.Nodes {
		n := &b.Estate.Graph.Nodes[i]
		if n.Kind == topology.NodeWorkload {
			inv.Workloads = append(inv.Workloads, topology.Workload{ID: n.ID, Name: n.Name, Labels: n.Labels, Origin: "csv:cmdb.csv", Addresses: []topology.Address{{Addr: n.Addrs[0]}}})
		}
	}
	inv.Workloads = append(inv.Workloads, b.Imported...)
	return inv, uint64(1 + len(b.Imported)), b.Err
}

// InventoryFormats implements httpapi.InventorySource.
func (b *Backend) InventoryFormats() []string { return []string{"csv", "hosts"} }

// PlanInventory implements httpapi.InventorySource: "name,address" a line, and a
// line without a comma is a mistake.
func (b *Backend) PlanInventory(ctx context.Context, in httpapi.InventoryImport) (*httpapi.InventoryPlan, error) {
	inv, version, err := b.Inventory(ctx)
	if err != nil {
		return nil, err
	}
	plan := &httpapi.InventoryPlan{Base: version, Lines: []string{}, Workloads: len(inv.Workloads), Networks: len(inv.Networks)}
	var wrong []string
	for i, line := range strings.Split(strings.TrimSpace(in.Data), "\n") {
		if !strings.Contains(line, ",") {
			wrong = append(wrong, fmt.Sprintf("%s:%d: want a name and an address", in.File, i+1))
			continue
		}
		plan.Lines = append(plan.Lines, "+ "+strings.ReplaceAll(line, ",", " "))
		plan.Workloads++
	}
	if len(wrong) > 0 {
		return nil, httpapi.Errorf(httpapi.CodeInvalid, "%s", strings.Join(wrong, "\n"))
	}
	plan.Total = len(plan.Lines)
	return plan, nil
}

// ImportInventory implements httpapi.InventorySource.
func (b *Backend) ImportInventory(ctx context.Context, _ string, in httpapi.InventoryImport, base uint64) (uint64, error) {
	plan, err := b.PlanInventory(ctx, in)
	if err != nil {
		return 0, err
	}
	if base != plan.Base {
		return 0, httpapi.Errorf(httpapi.CodeConflict, "the inventory is at version %d by now", plan.Base)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range plan.Lines {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "+ "), " ")
		b.Imported = append(b.Imported, topology.Workload{ID: name, Origin: "csv:" + in.File})
	}
	return uint64(1 + len(b.Imported)), nil
}

// Hygiene implements httpapi.InventorySource.
func (b *Backend) Hygiene(context.Context) ([]httpapi.HygieneIssue, error) {
	return []httpapi.HygieneIssue{
		{Kind: "mislabelled", Workload: "webshop-api-prod-001", Why: "is labelled webshop, and behaves like payments: 9 of 10 of its partners are there"},
		{Kind: "stale", Workload: "old-fileserver", Why: "is in the inventory and was not seen in 14 days"},
	}, b.Err
}

// Identity implements httpapi.IdentitySource.
func (b *Backend) Identity(_ context.Context, n *topology.Node) (*httpapi.Identity, error) {
	moved := b.Estate.Since.Std()
	out := &httpapi.Identity{Origin: "csv:cmdb.csv", Names: []httpapi.NameSeen{}, Programs: []httpapi.Program{}}
	for _, a := range n.Addrs {
		out.Addresses = append(out.Addresses, httpapi.Holding{Addr: a, From: moved}, httpapi.Holding{Addr: a.Next(), To: moved})
	}
	for _, name := range n.Names {
		out.Names = append(out.Names, httpapi.NameSeen{Name: name, Addr: n.Addrs[0], Kind: "dns-answer", First: b.Estate.Since, Last: b.Estate.Until, Count: 12})
	}
	out.Programs = append(out.Programs, httpapi.Program{Name: "sshd.service", Service: flow.Service{Proto: flow.TCP, Port: 22}, Serves: true, Flows: 4, Last: b.Estate.Until})
	return out, b.Err
}

// History implements httpapi.HistorySource.
func (b *Backend) History(_ context.Context, kind, name string) ([]httpapi.Document, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	versions := b.Documents[kind+"/"+name]
	if len(versions) == 0 {
		return nil, httpapi.Errorf(httpapi.CodeNotFound, "there is no %s called %s", kind, name)
	}
	var out []httpapi.Document
	for i := len(versions) - 1; i >= 0; i-- {
		d := versions[i]
		d.Body = ""
		out = append(out, d)
	}
	return out, b.Err
}

// DiffDocument implements httpapi.HistorySource with the whole of either side.
func (b *Backend) DiffDocument(ctx context.Context, kind, name string, from, to uint64) ([]string, error) {
	next, err := b.Document(ctx, kind, name, to)
	if err != nil {
		return nil, err
	}
	lines := []string{"+ " + next.Body}
	if from == 0 {
		from = next.Version - 1
	}
	if before, err := b.Document(ctx, kind, name, from); err == nil && from > 0 {
		lines = append([]string{"- " + before.Body}, lines...)
	}
	return lines, nil
}

// RestoreDocument implements httpapi.HistorySource.
func (b *Backend) RestoreDocument(ctx context.Context, author, kind, name string, version, base uint64, reason string) (uint64, error) {
	old, err := b.Document(ctx, kind, name, version)
	if err != nil {
		return 0, err
	}
	return b.SaveDocument(ctx, httpapi.Document{Kind: kind, Name: name, Version: base, Author: author, Reason: "restored: " + reason, Time: time.Unix(0, 0).UTC(), Body: old.Body})
}
