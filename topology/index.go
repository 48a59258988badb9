package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"

	"github.com/bulkhead/bulkhead/flow"
)

// Index answers "who held this address then" and "which network is it in". It is
// immutable and safe for concurrent use; lookups do not allocate.
type Index struct {
	inv      *Inventory
	byAddr   map[scoped][]holding
	lookup   lookup // the same, for KeyAt
	byKey    map[uint64]int32
	byID     map[string]int32
	networks []netEntry // longest prefix first
}

type scoped struct {
	addr  netip.Addr
	scope flow.Scope
}

func (s scoped) String() string {
	if s.scope == 0 {
		return s.addr.String()
	}
	return s.addr.String() + "@" + s.scope.String()
}

type holding struct {
	from, to flow.Time // to 0: open
	workload int32
	key      uint64
}

type netEntry struct {
	prefix  netip.Prefix
	network int32
}

// NewIndex builds the index of inv, which it keeps and which must not change
// afterwards. It refuses duplicate workload ids, colliding keys, and two
// workloads holding one address at one time.
func NewIndex(inv *Inventory) (*Index, error) {
	x := &Index{
		inv:    inv,
		byAddr: make(map[scoped][]holding, len(inv.Workloads)),
		byKey:  make(map[uint64]int32, len(inv.Workloads)),
		byID:   make(map[string]int32, len(inv.Workloads)),
	}
	for i := range inv.Workloads {
		if err := x.addWorkload(int32(i)); err != nil {
			return nil, err
		}
	}
	for at, hs := range x.byAddr {
		if err := x.checkOverlap(at, hs); err != nil {
			return nil, err
		}
	}
	if err := x.checkNetworks(); err != nil {
		return nil, err
	}
	x.lookup = newLookup(x.byAddr)
	for i, n := range inv.Networks {
		for _, p := range n.Prefixes {
			x.networks = append(x.networks, netEntry{p.Masked(), int32(i)})
		}
	}
	sort.SliceStable(x.networks, func(i, j int) bool {
		return x.networks[i].prefix.Bits() > x.networks[j].prefix.Bits()
	})
	return x, nil
}

func (x *Index) addWorkload(i int32) error {
	w := &x.inv.Workloads[i]
	if w.ID == "" {
		return fmt.Errorf("inventory: workload %d (%s) has no id", i+1, w.Name)
	}
	if _, dup := x.byID[w.ID]; dup {
		return fmt.Errorf("inventory: workload id %q appears twice", w.ID)
	}
	key := WorkloadKey(w.ID)
	if j, dup := x.byKey[key]; dup {
		return fmt.Errorf("inventory: workload ids %q and %q share a key; rename one", w.ID, x.inv.Workloads[j].ID)
	}
	x.byID[w.ID], x.byKey[key] = i, i
	if err := checkKind(w); err != nil {
		return err
	}
	for _, a := range w.Addresses {
		h := holding{workload: i, key: key}
		if !a.From.IsZero() {
			h.from = flow.TimeOf(a.From)
		}
		if !a.To.IsZero() {
			h.to = flow.TimeOf(a.To)
			if h.to <= h.from {
				return fmt.Errorf("inventory: workload %q: address %s ends before it begins", w.ID, a.Addr)
			}
		}
		at := scoped{a.Addr.Unmap(), a.Scope}
		x.byAddr[at] = append(x.byAddr[at], h)
	}
	return nil
}

func checkKind(w *Workload) error {
	switch {
	case w.Kind != "" && w.Kind != KindVIP:
		return fmt.Errorf("inventory: workload %q: unknown kind %q; it is %q or left out", w.ID, w.Kind, KindVIP)
	case w.Kind == "" && len(w.Backends) > 0:
		return fmt.Errorf("inventory: workload %q has backends and is no virtual address: say kind: %s", w.ID, KindVIP)
	case slices.Contains(w.Backends, w.ID):
		return fmt.Errorf("inventory: virtual address %q is its own backend", w.ID)
	}
	return nil
}

// checkNetworks refuses what cannot be: two networks of one name, a network
// behind one that is no NAT.
func (x *Index) checkNetworks() error {
	seen := map[string]bool{}
	for i := range x.inv.Networks {
		n := &x.inv.Networks[i]
		switch {
		case n.Name == "":
			return fmt.Errorf("inventory: network %d has no name", i+1)
		case seen[n.Name]:
			return fmt.Errorf("inventory: network %q appears twice", n.Name)
		case len(n.Behind) > 0 && !n.NAT:
			return fmt.Errorf("inventory: network %q has addresses behind it and is no NAT: say nat: true", n.Name)
		case n.NAT && n.Inside:
			return fmt.Errorf("inventory: network %q is a NAT, whose addresses are no workloads: inside does not go with it", n.Name)
		}
		seen[n.Name] = true
	}
	return nil
}

func (x *Index) checkOverlap(at scoped, hs []holding) error {
	sort.Slice(hs, func(i, j int) bool { return hs[i].from < hs[j].from })
	for i := 1; i < len(hs); i++ {
		if p := hs[i-1]; p.to == 0 || p.to > hs[i].from {
			if p.workload == hs[i].workload {
				continue
			}
			return fmt.Errorf("inventory: %s is held by %q and %q at the same time",
				at, x.inv.Workloads[p.workload].ID, x.inv.Workloads[hs[i].workload].ID)
		}
	}
	return nil
}

// Inventory returns what the index was built from; callers must not change it.
func (x *Index) Inventory() *Inventory { return x.inv }

// KeyAt returns the key of the workload that held addr at t, or 0.
func (x *Index) KeyAt(addr netip.Addr, scope flow.Scope, t flow.Time) uint64 {
	return x.lookup.keyAt(addr, scope, t)
}

// ByKey returns the workload with that key.
func (x *Index) ByKey(key uint64) (*Workload, bool) {
	i, ok := x.byKey[key]
	if !ok {
		return nil, false
	}
	return &x.inv.Workloads[i], true
}

// ByID returns the workload with that id.
func (x *Index) ByID(id string) (*Workload, bool) {
	i, ok := x.byID[id]
	if !ok {
		return nil, false
	}
	return &x.inv.Workloads[i], true
}

// Network returns the most specific named network that holds addr in the common
// address space.
func (x *Index) Network(addr netip.Addr) (*Network, bool) { return x.NetworkIn(addr, 0) }

// NetworkIn returns the most specific named network that holds addr in scope; one
// of that scope before one of the common space.
func (x *Index) NetworkIn(addr netip.Addr, scope flow.Scope) (*Network, bool) {
	var common *Network
	for _, e := range x.networks {
		n := &x.inv.Networks[e.network]
		if !e.prefix.Contains(addr) || n.Scope != scope && n.Scope != 0 {
			continue
		}
		if n.Scope == scope {
			return n, true
		}
		if common == nil {
			common = n
		}
	}
	return common, common != nil
}

// Resolve returns who p is: the stamped workload if the inventory still knows
// it, else whoever held the address at t, else nil.
func (x *Index) Resolve(p flow.Party, t flow.Time) *Workload {
	if w, ok := x.ByKey(p.Workload); ok {
		return w
	}
	if w, ok := x.ByKey(x.KeyAt(p.Addr, p.Scope, t)); ok {
		return w
	}
	return nil
}

// Stamp sets a record's workload keys from who held its addresses when it began.
func (x *Index) Stamp(r *flow.Record) {
	r.ClientWorkload = x.KeyAt(r.Key.Client, r.Key.Scope, r.First)
	r.ServerWorkload = x.KeyAt(r.Key.Server, r.Key.Scope, r.First)
}
