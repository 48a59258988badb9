package watch

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// Sink takes violations; it must not keep the slice.
type Sink interface {
	Violations([]policy.Violation) error
}

// Options for a listener on NFLOG.
type Options struct {
	// NetNS is a file descriptor of the namespace to listen in; 0 for the caller's.
	NetNS int
	Group uint16 // 0 for nft.LogGroup
	Host  string // name of this enforcement point, put into every violation
	// Interval is how long events of one edge are folded after the first; 0 for 10
	// seconds.
	Interval time.Duration
	// Edges bounds the edges remembered for that; 0 for 65536.
	Edges int
	// Workload gives the key of who holds an address; may be nil.
	Workload func(netip.Addr) uint64
	// Process names the local program at the protected end; may be nil.
	Process func(k flow.Key, inbound bool) string
	Now     func() time.Time // nil for time.Now
}

// Stats counts what a listener saw. Events = Reported + Σ Suppressed + Pending +
// Overflow + Unknown + Malformed.
type Stats struct {
	Events    uint64 // log messages received
	Reported  uint64 // violations handed to the sink
	Unknown   uint64 // messages whose rule no current ruleset knows
	Malformed uint64 // messages or packets that could not be read
	Overflow  uint64 // events of more edges than are remembered
	Lost      uint64 // messages the kernel could not deliver: gaps in its numbering
}

// Book says what the ids in log prefixes mean: the reports of the ruleset in
// force. It can be exchanged while a listener runs.
type Book struct {
	p atomic.Pointer[page]
}

type page struct {
	hash    string
	reports map[string]nft.Report
}

// Set makes the book that of a ruleset. Ids of the one before stay known, for
// messages still under way.
func (b *Book) Set(r *nft.Ruleset) {
	next := &page{hash: r.Hash, reports: map[string]nft.Report{}}
	if old := b.p.Load(); old != nil {
		for id, rep := range old.reports {
			next.reports[id] = rep
		}
	}
	for id, rep := range r.Reports {
		next.reports[id] = rep
	}
	b.p.Store(next)
}

// violation turns a log prefix and a packet into a violation.
func (b *Book) violation(prefix string, k flow.Key) (v policy.Violation, id string, ok bool) {
	parts := strings.Fields(prefix)
	p := b.p.Load()
	if p == nil || len(parts) < 2 {
		return v, "", false
	}
	rep, ok := p.reports[parts[1]]
	if !ok {
		return v, "", false
	}
	v = policy.Violation{
		Client: flow.Party{Addr: k.Client}, Server: flow.Party{Addr: k.Server}, ClientPort: k.ClientPort,
		Service: k.Service(), Inbound: rep.Inbound, Outcome: policy.WouldBlock,
		Policy: rep.Policy, Rule: rep.Rule, Hash: p.hash,
	}
	if rep.Dropped {
		v.Outcome = policy.Blocked
	}
	return v, rep.ID, true
}
