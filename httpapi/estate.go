package httpapi

import (
	"context"
	"net/netip"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// IdentitySource knows more of a workload than the map says.
type IdentitySource interface {
	// Identity answers for a node of the map by id: when it held which address,
	// under which names it was seen, what runs on it.
	Identity(ctx context.Context, node *topology.Node) (*Identity, error)
}

// Identity is who a workload was over time.
type Identity struct {
	Origin    string     `json:"origin,omitempty"` // where the inventory has it from; "" when it has not
	Addresses []Holding  `json:"addresses"`        // newest first
	Names     []NameSeen `json:"names"`            // seen on the wire, most often first; at most 50
	Programs  []Program  `json:"programs"`         // told by the host itself; at most 50
}

// Holding is an address held for an interval; a zero time is unbounded.
type Holding struct {
	Addr  netip.Addr `json:"addr"`
	Scope flow.Scope `json:"scope,omitempty"` // VLAN or VNI where networks overlap
	From  time.Time  `json:"from,omitzero"`
	To    time.Time  `json:"to,omitzero"`
}

// NameSeen is a name an address was known by.
type NameSeen struct {
	Name  string     `json:"name"`
	Addr  netip.Addr `json:"addr"`
	Kind  string     `json:"kind"` // "dns", "dhcp", "sni", …
	First flow.Time  `json:"first"`
	Last  flow.Time  `json:"last"`
	Count uint64     `json:"count"`
}

// Program is a unit or command at one end of a service.
type Program struct {
	Name    string       `json:"name"`
	Service flow.Service `json:"service"`
	Serves  bool         `json:"serves"` // else it uses the service
	Flows   uint64       `json:"flows"`
	Last    flow.Time    `json:"last"`
}

// InventorySource is the list of who is there, and what is wrong with it.
type InventorySource interface {
	// Inventory returns the newest version; 0 and an empty one when there is none.
	Inventory(ctx context.Context) (*topology.Inventory, uint64, error)
	// PlanInventory says what an import would change, and changes nothing. A file
	// with a bad row is refused whole, CodeInvalid with a line per mistake.
	PlanInventory(ctx context.Context, in InventoryImport) (*InventoryPlan, error)
	// ImportInventory does it, on top of version base; a stale one is CodeConflict.
	ImportInventory(ctx context.Context, author string, in InventoryImport, base uint64) (uint64, error)
	// InventoryFormats names what can be read.
	InventoryFormats() []string
	// Hygiene lists what a person should look at.
	Hygiene(ctx context.Context) ([]HygieneIssue, error)
}

// InventoryImport is a file to read as an inventory.
type InventoryImport struct {
	File   string `json:"file"`   // its name, for messages and to guess the format
	Format string `json:"format"` // "": guessed
	Data   string `json:"data"`
	Rules  string `json:"rules"` // label rules in YAML, "" for none
	Merge  bool   `json:"merge"` // keep what is there; else the file replaces it
}

// InventoryPlan is what an import would change.
type InventoryPlan struct {
	Base      uint64   `json:"base"`  // version it was compared with
	Lines     []string `json:"lines"` // "+ …" and "- …"; at most 2000
	Total     int      `json:"total"` // lines in all
	Workloads int      `json:"workloads"`
	Networks  int      `json:"networks"`
}

// HygieneIssue is a mislabelled, unlabelled, duplicate or stale workload.
type HygieneIssue struct {
	Kind     string `json:"kind"`
	Workload string `json:"workload"`
	Why      string `json:"why"`
}

// HistorySource keeps every version of every document.
type HistorySource interface {
	// History lists the versions of a document, newest first, without bodies.
	History(ctx context.Context, kind, name string) ([]Document, error)
	// DiffDocument says in words what a version changed since another; from 0 is the
	// one before, to 0 the newest. Lines begin with "+ ", "- " or "~ ", or are a
	// sentence.
	DiffDocument(ctx context.Context, kind, name string, from, to uint64) ([]string, error)
	// RestoreDocument writes an old version as a new one on top of base.
	RestoreDocument(ctx context.Context, author, kind, name string, version, base uint64, reason string) (uint64, error)
}
