package policy

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// Violation is one connection a live policy forbade, or would have forbidden
// while it is in monitor: what an enforcement point saw and why it judged so.
type Violation struct {
	Time           flow.Time
	Client, Server flow.Party
	ClientPort     uint16 // 0 when not known
	Service        flow.Service
	// Inbound says that the server's side judged; otherwise the client's did.
	Inbound bool
	// Outcome is WouldBlock or Blocked.
	Outcome Outcome
	// Policy, Rule and Hash say what decided: the policy's name, the rule's name
	// ("" for the policy's default) and the content hash of the set in force.
	Policy, Rule, Hash string
	// Host names the enforcement point, Process the local program or cgroup when
	// it is known.
	Host, Process string
	// Suppressed counts further events of the same edge that a rate limit kept
	// from being reported one by one.
	Suppressed uint64
}

// Addrs returns both ends' addresses.
func (v *Violation) Addrs() (client, server netip.Addr) { return v.Client.Addr, v.Server.Addr }
