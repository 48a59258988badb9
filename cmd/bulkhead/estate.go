package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

// Kinds of documents, and the name of those there is one of.
const (
	docInventory = "inventory" // topology.Inventory
	docMap       = "map"       // topology.Map: the newest over the whole window
	docLabels    = "labels"    // labelBook
	docMapping   = "mapping"   // mapper.Decisions
	docDecisions = "decisions" // decisionBook
	docPolicy    = "policy"    // YAML
	docImport    = "import"    // name is the SHA-256 of a file
	docOnly      = "estate"
)

type prefix = netip.Prefix

// labelBook holds what people said about labels, by topology.Node.ID. Refused
// holds values that are not to be proposed again.
type labelBook struct {
	Labels  map[string]topology.Labels   `json:"labels,omitempty"`
	Refused map[string]map[string]string `json:"refused,omitempty"`
}

// load reads the newest version of a JSON document into v; version 0 means there
// is none and v is unchanged.
func (s *session) load(ctx context.Context, kind, name string, v any) (version uint64, err error) {
	if s.blind {
		return 0, nil
	}
	doc, err := s.store.LoadDocument(ctx, kind, name, 0)
	if errors.Is(err, store.ErrNoDocument) {
		return s.removed(ctx, kind, name)
	}
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(doc.Content, v); err != nil {
		return 0, fmt.Errorf("read %s %s version %d: %w", kind, name, doc.Version, err)
	}
	return doc.Version, nil
}

// removed is the version by which a document was removed, 0 for one that never
// was: what is saved next stands on top of it.
func (s *session) removed(ctx context.Context, kind, name string) (uint64, error) {
	versions, err := s.store.History(ctx, kind, name)
	if err != nil || len(versions) == 0 {
		return 0, err
	}
	return versions[0].Version, nil
}

// save appends a version of a JSON document.
func (s *session) save(ctx context.Context, kind, name string, base uint64, author, reason string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save %s %s: %w", kind, name, err)
	}
	_, err = s.store.SaveDocument(ctx, store.Document{Kind: kind, Name: name, Base: base, Author: author, Time: time.Now(), Reason: reason, Content: b})
	return err
}

// saveInventory writes an inventory on top of version base, which the caller read
// before deciding; a stale base is refused.
func (s *session) saveInventory(ctx context.Context, inv *topology.Inventory, base uint64, author, reason string) error {
	if _, err := topology.NewIndex(inv); err != nil {
		return usageError{err}
	}
	if err := s.save(ctx, docInventory, docOnly, base, author, reason, inv); err != nil {
		return err
	}
	return s.store.PublishInventory(ctx, inv, base+1)
}

// replaceInventory writes an inventory whatever there was before.
func (s *session) replaceInventory(ctx context.Context, inv *topology.Inventory, reason string) error {
	var before topology.Inventory
	base, err := s.load(ctx, docInventory, docOnly, &before)
	if err != nil {
		return err
	}
	return s.saveInventory(ctx, inv, base, author(), reason)
}

// author is who is typing.
func author() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return u.Username
}

// inventory returns the inventory with the labels that join tokens gave and, over
// them, those that people decided on.
func (s *session) inventory(ctx context.Context) (*topology.Index, error) {
	var inv topology.Inventory
	if _, err := s.load(ctx, docInventory, docOnly, &inv); err != nil {
		return nil, err
	}
	var book labelBook
	if _, err := s.load(ctx, docLabels, docOnly, &book); err != nil {
		return nil, err
	}
	hosts, err := s.app.joined()
	if err != nil {
		return nil, err
	}
	labelJoined(&inv, hosts, time.Now())
	book.apply(&inv)
	return topology.NewIndex(&inv)
}

// apply puts decided labels on their workloads. A label on an address that no
// workload claims makes a workload of it; when one claims it later, that one has
// the label unless it is given another.
func (b *labelBook) apply(inv *topology.Inventory) {
	at := make(map[string]int, len(inv.Workloads))
	for i := range inv.Workloads {
		at[inv.Workloads[i].ID] = i
	}
	var claimed map[topology.Address]int
	for _, id := range slices.Sorted(maps.Keys(b.Labels)) {
		l := b.Labels[id]
		if i, known := at[id]; known {
			inv.Workloads[i].Labels = inv.Workloads[i].Labels.Merge(l)
			continue
		}
		addr, ok := addressOfNode(id)
		if !ok {
			continue
		}
		if claimed == nil {
			claimed = lastHolders(inv)
		}
		if i, taken := claimed[addr]; taken {
			inv.Workloads[i].Labels = l.Merge(inv.Workloads[i].Labels)
			continue
		}
		inv.Workloads = append(inv.Workloads, topology.Workload{ID: id, Labels: l, Origin: "labels", Addresses: []topology.Address{addr}})
	}
}

// lastHolders gives, by address and scope, the workload that holds it without end,
// or held it last.
func lastHolders(inv *topology.Inventory) map[topology.Address]int {
	last, until := map[topology.Address]int{}, map[topology.Address]time.Time{}
	for i := range inv.Workloads {
		for _, a := range inv.Workloads[i].Addresses {
			key := topology.Address{Addr: a.Addr, Scope: a.Scope}
			end, held := until[key]
			if !held || a.To.IsZero() || !end.IsZero() && a.To.After(end) {
				last[key], until[key] = i, a.To
			}
		}
	}
	return last
}

// addressOfNode reads the id of an address that no workload claims: "10.0.0.5", or
// "10.0.0.5@vlan100" in a space of its own.
func addressOfNode(id string) (topology.Address, bool) {
	text, space, _ := strings.Cut(id, "@")
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return topology.Address{}, false
	}
	scope, err := flow.ParseScope(space)
	return topology.Address{Addr: addr, Scope: scope}, err == nil
}

// traffic is what was recorded in a window.
type traffic struct {
	since, until flow.Time
	edges        []flow.Edge
	probes       []flow.Probe
	names        []flow.Name
}

func (s *session) traffic(ctx context.Context, since, until flow.Time) (t traffic, err error) {
	q := store.Query{Since: since, Until: until}
	t.since, t.until = since, until
	if t.edges, err = s.store.Edges(ctx, q); err != nil {
		return t, err
	}
	if t.probes, err = s.store.Probes(ctx, q); err != nil {
		return t, err
	}
	t.names, err = s.store.Names(ctx, store.Query{})
	return t, err
}

// recorded returns when recorded traffic begins and ends, errNothingRecorded when
// there is none.
func (s *session) recorded(ctx context.Context) (first, newest flow.Time, err error) {
	first, newest, err = s.store.Window(ctx)
	if err == nil && newest == 0 {
		err = errNothingRecorded
	}
	return first, newest, err
}

// mapInput reads what a map of the window is made of.
func (s *session) mapInput(ctx context.Context, since, until flow.Time) (mapper.Input, mapper.Options, error) {
	inside, err := s.app.insidePrefixes()
	if err != nil {
		return mapper.Input{}, mapper.Options{}, err
	}
	index, err := s.inventory(ctx)
	if err != nil {
		return mapper.Input{}, mapper.Options{}, err
	}
	t, err := s.traffic(ctx, since, until)
	if err != nil {
		return mapper.Input{}, mapper.Options{}, err
	}
	in := mapper.Input{Since: since, Until: until, Edges: t.edges, Probes: t.probes, Names: t.names, Index: index}
	if _, err = s.load(ctx, docMapping, docOnly, &in.Decisions); err != nil {
		return in, mapper.Options{}, err
	}
	var book labelBook
	_, err = s.load(ctx, docLabels, docOnly, &book)
	in.Decisions.Refused = book.Refused
	return in, mapper.Options{Inside: inside}, err
}

// estateMap makes the map of the whole default window, carrying identities over
// from the last one, and remembers it. What it decides about labels holds for
// every other window too.
func (s *session) estateMap(ctx context.Context) (*topology.Map, []flow.Probe, error) {
	first, newest, err := s.recorded(ctx)
	if err != nil {
		return nil, nil, err
	}
	in, opt, err := s.mapInput(ctx, max(first, newest.Add(-s.app.cfg.Map.Window)), newest+1)
	if err != nil {
		return nil, nil, err
	}
	var previous topology.Map
	version, err := s.load(ctx, docMap, docOnly, &previous)
	if err != nil {
		return nil, nil, err
	}
	if version != 0 {
		in.Previous = &previous
	}
	m, err := mapper.Build(in, opt)
	if err != nil {
		return nil, nil, err
	}
	if version == 0 || !sameMap(&previous, m) {
		err = s.save(ctx, docMap, docOnly, version, author(), "map of the recorded traffic", m)
		if errors.Is(err, store.ErrStale) { // another process has just made the same map
			err = nil
		}
	}
	return m, in.Probes, err
}

// sameMap reports whether two maps say the same of who is who. Counters change
// with every flow and are no reason to remember a map anew.
func sameMap(a, b *topology.Map) bool {
	return a.Groups() == b.Groups()
}

// windowMap returns the map of a window: the whole estate's when the flags name
// none, otherwise its traffic under the estate's roles and labels.
func (s *session) windowMap(ctx context.Context, w *window) (*topology.Map, []flow.Probe, error) {
	m, probes, err := s.estateMap(ctx)
	if err != nil || w.since == "" && w.until == "" {
		return m, probes, err
	}
	_, newest, err := s.recorded(ctx)
	if err != nil {
		return nil, nil, err
	}
	since, until, err := w.resolve(newest, s.app.cfg.Map.Window)
	if err != nil {
		return nil, nil, err
	}
	return s.project(ctx, m, since, until)
}

// project returns the traffic of a window under ref's roles and labels.
func (s *session) project(ctx context.Context, ref *topology.Map, since, until flow.Time) (*topology.Map, []flow.Probe, error) {
	in, opt, err := s.mapInput(ctx, since, until)
	if err != nil {
		return nil, nil, err
	}
	m, err := mapper.Project(ref, in, opt)
	return m, in.Probes, err
}

// members are the map's workloads with the addresses they hold now.
func (s *session) members(ctx context.Context, m *topology.Map) ([]topology.Member, error) {
	index, err := s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	return m.Snapshot(index, flow.TimeOf(time.Now())), nil
}
