package policy

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// APIVersion is the version of the document format.
const APIVersion = "bulkhead/v1"

// Set is all policies of an estate with what their names refer to. It is the
// unit that is versioned, hashed, simulated, exported and enforced. A Set is
// immutable once built.
type Set struct {
	Policies []Policy           `json:"policies"` // sorted by name
	Networks []topology.Network `json:"networks"` // what rules name; sorted by name
	// AlwaysAllowed are shown in every export and hold at every stage.
	AlwaysAllowed []Exception `json:"alwaysAllowed"`
	// BreakGlass networks may always reach every protected workload.
	BreakGlass []netip.Prefix `json:"breakGlass"`
}

// Exception is traffic no policy can block: loopback, DHCP, neighbour discovery.
type Exception struct {
	Name      string         `json:"name"`
	Direction Direction      `json:"direction"`          // as the protected workload sees it
	Services  []Service      `json:"services,omitempty"` // any one matches; empty means every service
	Networks  []netip.Prefix `json:"networks,omitempty"` // the peer must be in one of them; empty means any
	Why       string         `json:"why,omitempty"`
}

// Direction of a flow as one protected end sees it.
type Direction uint8

const (
	BothWays Direction = iota
	Inbound            // the workload is the server
	Outbound           // the workload is the client
)

// Policy protects the workloads its scope selects: deny by default inbound,
// outbound too with EgressRestrict, except for what its rules allow.
type Policy struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Scope       Selector `json:"scope"`
	Stage       Stage    `json:"stage"`
	Egress      Egress   `json:"egress"`
	Rules       []Rule   `json:"rules"` // order has no meaning; kept as written
}

// Stage is how far a policy has come.
type Stage uint8

const (
	Draft   Stage = iota // no effect
	Monitor              // "blocked" becomes "would block"
	Enforce
)

// Egress says whether outbound traffic of the scope is default-deny too.
type Egress uint8

const (
	EgressAllow Egress = iota
	EgressRestrict
)

// Action is what a rule does. Precedence: OverrideDeny > Allow > Deny > default.
type Action uint8

const (
	Allow Action = iota
	Deny
	OverrideDeny
)

// Rule lets (or forbids) From use Services of To.
type Rule struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"` // plain words for a reviewer
	Action      Action    `json:"action"`
	From        []Peer    `json:"from"` // any one matches
	To          []Peer    `json:"to"`
	Services    []Service `json:"services"`          // any one matches; empty means every service
	Process     string    `json:"process,omitempty"` // serving or using unit, agents only; "" for any
}

// Peer is one alternative of From or To: exactly one of its fields is set.
type Peer struct {
	Any      bool         `json:"any,omitempty"`
	Selector Selector     `json:"selector,omitzero"` // not nil; an empty one matches every workload
	Network  string       `json:"network,omitempty"` // name of a topology.Network in Set.Networks
	Prefix   netip.Prefix `json:"prefix,omitzero"`   // CIDR
	Domain   string       `json:"domain,omitempty"`  // "api.example.com", "*.example.com"
}

// Selector matches workloads that have, for every key, one of the values and
// none of the excluded ones. The empty selector matches every workload.
type Selector []Requirement

// Requirement is one key of a selector. Sorted by topology key order.
type Requirement struct {
	Key string   `json:"key"`
	In  []string `json:"in,omitempty"`  // any of; empty: any value
	Not []string `json:"not,omitempty"` // none of
}

// Service is a protocol with an inclusive port range, or an ICMP type and code.
type Service struct {
	Proto    uint8  // 0: every protocol
	From, To uint16 // ports; 0-65535 for all; ICMP: type<<8|code range
	Name     string // the well-known name it was written by, if any
}

// Party is one end of a flow as a policy sees it.
type Party struct {
	Addr netip.Addr
	// Labels are the effective ones; nil for what is no workload. They are not
	// changed once a party was judged by: an Evaluator knows the map again.
	Labels topology.Labels
	// Workload says whether the party is inside the estate, so that selectors
	// apply to it. Outside parties match by address, network and domain only.
	Workload bool
	Domains  []string // names the address is known by, for Domain peers
}

// Facts is a flow to be judged.
type Facts struct {
	Client, Server Party
	Service        flow.Service
	// Process is the serving unit, ClientProcess the using one, "" when not known:
	// then only rules without a process match.
	Process, ClientProcess string
}

// Outcome of an evaluation.
type Outcome uint8

const (
	Allowed    Outcome = iota
	Untouched          // neither end is in the scope of a policy past draft
	WouldBlock         // a policy in monitor forbids it
	Blocked            // a policy in enforce forbids it
)

// Verdict is the outcome with its reason.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	Policy  string  `json:"policy,omitempty"` // deciding policy; "" when none
	Rule    string  `json:"rule,omitempty"`   // deciding rule or exception; "" for a policy's default
	Why     string  `json:"why"`              // in words
}
