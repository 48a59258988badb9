package topology

import (
	"hash/fnv"
	"net/netip"
	"sort"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// Labels maps label keys to values: role, app, env, loc and any the operator
// adds. A workload has at most one value per key. A nil map is empty.
type Labels map[string]string

// The label keys every estate has.
const (
	LabelRole = "role"
	LabelApp  = "app"
	LabelEnv  = "env"
	LabelLoc  = "loc"
)

// keyRank puts the well-known keys first, in the order people say them.
var keyRank = map[string]int{LabelRole: -4, LabelApp: -3, LabelEnv: -2, LabelLoc: -1}

// Keys returns the keys in their canonical order: role, app, env, loc, others
// by name.
func (l Labels) Keys() []string {
	keys := make([]string, 0, len(l))
	for k := range l {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		if a, b := keyRank[keys[i]], keyRank[keys[j]]; a != b {
			return a < b
		}
		return keys[i] < keys[j]
	})
	return keys
}

// String gives "role=web app=shop env=prod", canonical order.
func (l Labels) String() string {
	var b strings.Builder
	for i, k := range l.Keys() {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(k + "=" + l[k])
	}
	return b.String()
}

// Merge returns the union; o's values win.
func (l Labels) Merge(o Labels) Labels {
	m := make(Labels, len(l)+len(o))
	for k, v := range l {
		m[k] = v
	}
	for k, v := range o {
		m[k] = v
	}
	return m
}

// Address is an address a workload held for an interval.
type Address struct {
	Addr  netip.Addr `json:"addr" yaml:"addr"`
	Scope flow.Scope `json:"scope,omitempty" yaml:"scope,omitempty"`
	// From is inclusive, To exclusive; zero means unbounded on that side.
	From time.Time `json:"from,omitzero" yaml:"from,omitempty"`
	To   time.Time `json:"to,omitzero" yaml:"to,omitempty"`
}

// Holds reports whether the interval covers t.
func (a Address) Holds(t flow.Time) bool {
	return (a.From.IsZero() || flow.TimeOf(a.From) <= t) && (a.To.IsZero() || t < flow.TimeOf(a.To))
}

// Workload is a machine, container or device with an identity of its own.
type Workload struct {
	ID        string    `json:"id" yaml:"id"` // unique, stable, chosen by the operator or its source
	Name      string    `json:"name,omitempty" yaml:"name,omitempty"`
	Labels    Labels    `json:"labels,omitempty" yaml:"labels,omitempty"`
	Addresses []Address `json:"addresses,omitempty" yaml:"addresses,omitempty"`
	Origin    string    `json:"origin,omitempty" yaml:"origin,omitempty"` // "csv:cmdb.csv", "dhcp", "wire"
	// Kind says what the addresses stand for: "" is the machine itself, KindVIP a
	// virtual address.
	Kind string `json:"kind,omitempty" yaml:"kind,omitempty"`
	// Backends are the ids of the workloads that a virtual address passes
	// connections on to.
	Backends []string `json:"backends,omitempty" yaml:"backends,omitempty"`
}

// KindVIP is a workload whose addresses no machine holds by itself: a load
// balancer's virtual server, a cluster address, a Kubernetes service.
const KindVIP = "vip"

// WorkloadKey is the 64-bit key under which records and edges carry a workload:
// FNV-1a of its ID, never 0.
func WorkloadKey(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return max(h.Sum64(), 1)
}

// Network is a set of addresses that is not a workload: an office, a partner, a
// VPN pool, a cloud service.
type Network struct {
	Name     string         `json:"name" yaml:"name"`
	Prefixes []netip.Prefix `json:"prefixes,omitempty" yaml:"prefixes,omitempty"`
	Domains  []string       `json:"domains,omitempty" yaml:"domains,omitempty"` // "example.com", "*.example.com"
	// Inside says that addresses in it are workloads not yet claimed, not the
	// outside world.
	Inside bool   `json:"inside,omitempty" yaml:"inside,omitempty"`
	Labels Labels `json:"labels,omitempty" yaml:"labels,omitempty"` // given to unclaimed addresses inside
	// Scope keeps the network to one address space; in the common one it names
	// addresses of every space that has no network of its own.
	Scope flow.Scope `json:"scope,omitempty" yaml:"scope,omitempty"`
	// NAT says that its addresses are a pool of address translation: behind each
	// stand many machines, so a rule on one is a rule on all of them.
	NAT bool `json:"nat,omitempty" yaml:"nat,omitempty"`
	// Behind are the addresses that hide behind a pool, as far as known.
	Behind []netip.Prefix `json:"behind,omitempty" yaml:"behind,omitempty"`
}

// Inventory is the versioned document of who is there.
type Inventory struct {
	Workloads []Workload `json:"workloads" yaml:"workloads"`
	Networks  []Network  `json:"networks,omitempty" yaml:"networks,omitempty"`
}
