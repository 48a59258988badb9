package fleet

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/topology"
)

// Role is what kind of enforcement point a host is. The token it joined with said
// so, not the host.
type Role string

const (
	Agent   Role = "host"    // enforces for the workloads that run on it
	Gateway Role = "gateway" // forwards for workloads behind it
)

// Enrolment is a host that joined. The same name joining again replaces it.
type Enrolment struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
	// Key is the SHA-256 of the host's public key, hex. A certificate for another key
	// is not this host's, even if it bears its name.
	Key    string          `json:"key"`
	Labels topology.Labels `json:"labels,omitempty"` // the token bound it to
	Joined time.Time       `json:"joined"`
	Token  string          `json:"token"` // id of the token it joined with, hex
	// Confirm is the bundle an operator confirmed; see ConfirmOperator.
	Confirm uint64 `json:"confirm,omitempty"`
	// Again counts how often an operator asked for another try of what the host
	// took back.
	Again uint64 `json:"again,omitempty"`
}

// CheckName reports why a name is no host name: letters, digits, dot, dash and
// underscore, at most 253 bytes (RFC 1123 §2.1, with the underscore that hosts
// have nevertheless).
func CheckName(name string) error {
	ok := name != "" && len(name) <= 253 && name[0] != '-' && name[0] != '.'
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	}
	if !ok {
		return fmt.Errorf("%q is no host name: letters, digits, dots, dashes and underscores", name)
	}
	return nil
}

// Confirmation says who confirms a change that an agent has applied.
type Confirmation string

const (
	// ConfirmReach: the agent itself, once it has reached its controller over a new
	// connection under the changed rules.
	ConfirmReach Confirmation = "reach"
	// ConfirmOperator: a person, by `bulkhead hosts confirm` or, on the host, by
	// `bulkhead confirm`.
	ConfirmOperator Confirmation = "operator"
)

// Heartbeat is what a host says of itself.
type Heartbeat struct {
	Version string       `json:"version"` // of the program
	Time    time.Time    `json:"time"`    // by the host's clock
	Started time.Time    `json:"started"`
	Addrs   []netip.Addr `json:"addrs"` // of its interfaces, without loopback and link-local ones

	Serial uint64 `json:"serial"` // of the bundle that is confirmed; 0 for none
	Hash   string `json:"hash"`   // of the policies confirmed
	// Pending is the bundle that is applied and not confirmed; its drops end at
	// Deadline.
	Pending  uint64    `json:"pending,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
	// Seen is the highest bundle the host has taken or taken back: what it is offered
	// next must be higher.
	Seen    uint64   `json:"seen"`
	Refusal *Refusal `json:"refusal,omitempty"` // of the newest bundle, if it was not kept

	Released   bool      `json:"released,omitempty"`  // somebody took the table away by hand
	Flapping   bool      `json:"flapping,omitempty"`  // somebody keeps changing the table
	Losses     []string  `json:"losses,omitempty"`    // what the ruleset cannot express here
	Obstacles  []string  `json:"obstacles,omitempty"` // foreign tables that may drop what is allowed
	Problem    string    `json:"problem,omitempty"`   // anything else that is wrong, in words
	CertExpiry time.Time `json:"certExpiry,omitzero"` // of the certificate it holds

	Queued uint64            `json:"queued"`         // rows that wait to be delivered
	Lost   map[string]uint64 `json:"lost,omitempty"` // rows given up, by reason
}

// Refusal is a bundle that a host did not keep, and why.
type Refusal struct {
	Serial uint64    `json:"serial,omitempty"` // 0 when not even that could be read
	Time   time.Time `json:"time"`
	Why    string    `json:"why"`
	// RolledBack says that it was in force and taken back, by the host itself or by
	// somebody on it.
	RolledBack bool `json:"rolledBack,omitempty"`
}

// Answer is the controller's to a heartbeat.
type Answer struct {
	Time    time.Time `json:"time"`    // by the controller's clock
	Wanted  uint64    `json:"wanted"`  // the bundle the host shall have; 0 for none yet
	Confirm uint64    `json:"confirm"` // the bundle an operator has confirmed
}
