package topology

import "time"

// InfrastructureDecision is what a person says to a finding, or instead of one.
type InfrastructureDecision struct {
	Node string `json:"node" yaml:"node"` // Node.ID
	// Kind is the finding's; "" refuses or accepts every kind. Accepting a kind that
	// was not found makes it one.
	Kind   string `json:"kind,omitempty" yaml:"kind,omitempty"`
	Accept bool   `json:"accept" yaml:"accept"`
	Reason string `json:"reason,omitempty" yaml:"reason,omitempty"`
}

// GroupDecision accepts an application as it is, lets it go again, or names it.
type GroupDecision struct {
	Application string `json:"application"` // Application.ID
	// Pin true holds the members together in every later run; false lets the
	// traffic decide again.
	Pin bool `json:"pin"`
	// Name is what a pinned application is called; "" keeps the name it has.
	Name   string `json:"name,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Claim says that an address nobody claimed is a workload.
type Claim struct {
	Node   string `json:"node"`           // Node.ID of an address on the map
	ID     string `json:"id,omitempty"`   // of the workload; "": its name, else the address. One that exists gets the address too
	Name   string `json:"name,omitempty"` // "": the one seen on the wire
	Labels Labels `json:"labels,omitempty"`
	// From and To bound the time it held the address; zero is unbounded.
	From   time.Time `json:"from,omitzero"`
	To     time.Time `json:"to,omitzero"`
	Reason string    `json:"reason,omitempty"`
}
