package assemble

import (
	"time"

	"github.com/bulkhead/bulkhead/collector/direction"
	"github.com/bulkhead/bulkhead/flow"
)

// Options configure a Table. The zero value is usable.
type Options struct {
	// Capacity bounds the flows alive at once, 128 bytes each plus 16 of index;
	// 0 means 1,048,576. Memory is touched only as far as flows need it.
	Capacity int
	// Idle closes a flow that was silent this long; 0 means 60 s.
	Idle time.Duration
	// Active splits a flow that has lasted this long; 0 means 300 s.
	Active time.Duration
	// Linger is how long a closed TCP connection is kept for its last segments,
	// and an unanswered attempt for its retries or its answer; 0 means 5 s for the
	// former. Unanswered attempts use Unanswered, 0 meaning 20 s.
	Linger, Unanswered time.Duration
	// Budget is how many refused or unanswered flows one client gets records of
	// its own for in a minute; the rest are folded. 0 means 64. Four times as many
	// are told apart for one server's port.
	Budget int
	// HoldWeak is how many records whose direction is a guess are held back, in
	// the hope that more of the data set tells; 0 means 16,384.
	HoldWeak int
	// HoldFor lets such records go after this long at the latest; 0 means at the
	// end, which suits a file.
	HoldFor time.Duration
	// ScopeVLAN and ScopeVNI give each VLAN (both tags) or VNI an address space of
	// its own; for networks that overlap.
	ScopeVLAN, ScopeVNI bool
	// Learner decides directions; nil means a new one with default options.
	Learner *direction.Learner
	// CountCopies counts a packet that was seen on another interface, VLAN or
	// virtual network again; else it is dropped as a duplicate.
	CountCopies bool
	// Sensor is put into records, with the names of the interfaces that saw the
	// flow when there were several; alone those, when Sensor is empty.
	Sensor string
	// Interfaces names the first 16 interfaces by Packet.Interface.
	Interfaces []string
	// Seed keys the hash of the flow table so that traffic cannot be made to
	// collide. Output does not depend on it.
	Seed uint64
}

func (o Options) withDefaults() Options {
	or := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	or(&o.Idle, 60*time.Second)
	or(&o.Active, 300*time.Second)
	or(&o.Linger, 5*time.Second)
	or(&o.Unanswered, 20*time.Second)
	o.Unanswered = min(o.Unanswered, o.Idle)
	if o.Capacity <= 0 {
		o.Capacity = 1 << 20
	}
	if o.Budget <= 0 {
		o.Budget = 64
	}
	if o.HoldWeak <= 0 {
		o.HoldWeak = 16384
	}
	if o.Learner == nil {
		o.Learner = direction.New(direction.Options{})
	}
	return o
}

// Stats count what a Table did. Packets = Counted + Fragments + Waiting + Drops.Total().
type Stats struct {
	Packets uint64 // given to the table
	Counted uint64 // that are in some record, or will be
	// Fragments are later fragments, whose bytes were added to their packet's.
	Fragments uint64
	Waiting   uint64 // later fragments that came before their first, now
	Bytes     uint64 // layer 3, of the counted
	Flows     uint64 // started
	Records   uint64 // emitted
	Folded    uint64 // unanswered flows that have no record of their own
	Evicted   uint64 // flows closed early because the table was full
	Live      int    // flows in the table now
	// TunnelsUnknown are flows whose tunnel's ends were not kept, because flows of too
	// many tunnels were alive at once.
	TunnelsUnknown uint64
	Drops          flow.Drops
}

// Merge adds the counters of another table.
func (s *Stats) Merge(o *Stats) {
	s.Packets += o.Packets
	s.Counted += o.Counted
	s.Fragments += o.Fragments
	s.Waiting += o.Waiting
	s.Bytes += o.Bytes
	s.Flows += o.Flows
	s.Records += o.Records
	s.Folded += o.Folded
	s.Evicted += o.Evicted
	s.Live += o.Live
	s.TunnelsUnknown += o.TunnelsUnknown
	s.Drops.Merge(&o.Drops)
}
