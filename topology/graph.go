package topology

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// NodeKind says what a node of the graph stands for.
type NodeKind uint8

const (
	NodeWorkload  NodeKind = iota // known to the inventory
	NodeAddress                   // an inside address no workload claims yet
	NodeNetwork                   // a named network outside
	NodeInternet                  // all other outside addresses together
	NodeMulticast                 // multicast and broadcast groups together
	NodeNAT                       // a pool of address translation: many machines behind it
	NodeVIP                       // a virtual address of the inventory, with its backends' labels
)

var nodeKinds = [...]string{"workload", "address", "network", "internet", "multicast", "nat", "vip"}

func (k NodeKind) String() string {
	if int(k) < len(nodeKinds) {
		return nodeKinds[k]
	}
	return "invalid"
}

// MarshalText implements encoding.TextMarshaler.
func (k NodeKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Node is one vertex of the dependency graph.
type Node struct {
	ID    string       `json:"id"` // workload id, address, "net:NAME", "internet"
	Name  string       `json:"name"`
	Kind  NodeKind     `json:"kind"`
	Addrs []netip.Addr `json:"addrs,omitempty"` // current ones first; capped for networks
	Names []string     `json:"names,omitempty"` // seen on the wire
	// Labels the operator gave. What the mapper proposes stands in Map.Proposals
	// and, merged under these, in Map.Labels.
	Labels Labels `json:"labels,omitempty"`
	// Scope is the address space that Addrs lie in; 0 is the common one.
	Scope flow.Scope `json:"scope,omitempty"`
	// Backends are, for a virtual address, the ids of the workloads behind it.
	Backends []string `json:"backends,omitempty"`
}

// Inside reports whether the node is a workload, claimed or not, or a virtual
// address of some, rather than the outside world. What is behind a NAT is not
// known one by one: a NAT is outside.
func (n *Node) Inside() bool { return n.Claimed() || n.Kind == NodeAddress }

// Claimed reports whether the inventory lists the node: flows carry its key.
func (n *Node) Claimed() bool { return n.Kind == NodeWorkload || n.Kind == NodeVIP }

// Dependency is a directed edge of the graph: the client uses a service of the
// server. Client and Server index Graph.Nodes.
type Dependency struct {
	Client  int32        `json:"client"`
	Server  int32        `json:"server"`
	Service flow.Service `json:"service"`
	flow.EdgeStats
}

// Graph is the dependency graph. Nodes are sorted by ID, Deps by client, server,
// service; at most one Dependency per triple.
type Graph struct {
	Nodes []Node       `json:"nodes"`
	Deps  []Dependency `json:"deps"`
}

// Role is a set of nodes that play the same part: they serve and use the same
// things with the same kinds of peers.
type Role struct {
	ID      string  `json:"id"`   // stable between runs
	Name    string  `json:"name"` // proposed or given value of the role label
	App     int32   `json:"app"`  // index into Map.Applications, -1 for none
	Members []int32 `json:"members"`
	Why     string  `json:"why"`
}

// Application is a set of roles that depend on each other more than on the rest.
type Application struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Env      string   `json:"env,omitempty"`
	Priority Priority `json:"priority"`
	Why      string   `json:"why"`
	Members  []int32  `json:"members"`
	// Infrastructure is the kind of shared infrastructure the members are ("dns",
	// "directory", …); "" for what people call an application.
	Infrastructure string `json:"infrastructure,omitempty"`
	// PriorityWhy names the member that sets the priority, and its reason.
	PriorityWhy string `json:"priorityWhy,omitempty"`
	// Pinned says that a person accepted the group: later runs keep it together.
	Pinned bool `json:"pinned,omitempty"`
}

// Priority is the seed of the project plan: what to protect first.
type Priority uint8

const (
	PriorityLow Priority = iota
	PriorityMedium
	PriorityHigh
	PriorityCritical
)

var priorities = [...]string{"low", "medium", "high", "critical"}

func (p Priority) String() string {
	if int(p) < len(priorities) {
		return priorities[p]
	}
	return "invalid"
}

// MarshalText implements encoding.TextMarshaler.
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Finding says that a node is shared infrastructure (or a scanner), and why.
type Finding struct {
	Node       int32   `json:"node"`
	Kind       string  `json:"kind"` // "dns", "directory", "monitoring", "backup", "scanner", …
	Why        string  `json:"why"`
	Confidence float64 `json:"confidence"` // 0..1
}

// Proposal is a label the mapper would give a node that has none for the key.
type Proposal struct {
	Node       int32   `json:"node"`
	Key        string  `json:"key"`
	Value      string  `json:"value"`
	Confidence float64 `json:"confidence"` // 0..1, own group against nearest alternative
	Why        string  `json:"why"`
}

// Map is what the mapper makes of a window of traffic. Indexes refer to
// Graph.Nodes.
type Map struct {
	Since          flow.Time     `json:"since"`
	Until          flow.Time     `json:"until"`
	Graph          Graph         `json:"graph"`
	Roles          []Role        `json:"roles"`
	Applications   []Application `json:"applications"`
	Infrastructure []Finding     `json:"infrastructure"`
	Proposals      []Proposal    `json:"proposals"`
	// RoleOf and AppOf give each node's role and application, -1 for none.
	RoleOf []int32 `json:"roleOf"`
	AppOf  []int32 `json:"appOf"`
	// Labels are the effective ones per node: the operator's, with proposals for
	// the keys they leave out.
	Labels []Labels `json:"labels"`
	// Priorities per node, with the reason of each; "" for the outside.
	Priorities   []Priority `json:"priorities"`
	PriorityWhys []string   `json:"priorityWhys"`
}
