package capture

import (
	"errors"
	"time"

	"golang.org/x/net/bpf"
)

// ErrInterfaceGone is returned by a Ring whose interface was removed. A Ring can
// be opened again when one of that name is back.
var ErrInterfaceGone = errors.New("interface is gone")

// RingOptions configure a Ring. The zero value is usable.
type RingOptions struct {
	// BlockBytes and Blocks are the size of the ring: packets wait in it while the
	// reader is busy. 0 means 1 MiB and 32.
	BlockBytes, Blocks int
	// Retire hands over a block that is not full after this long; 0 means 50 ms.
	Retire time.Duration
	// SnapLength cuts packets; 0 keeps them whole, up to 64 KiB. What opens a TLS
	// or QUIC connection is kept whole whatever it is.
	SnapLength int
	// NotPromiscuous takes only what is addressed to this host.
	NotPromiscuous bool
	// Filter runs in the kernel, and is in place before the first packet.
	Filter []bpf.RawInstruction
	// FanoutGroup, when not 0, spreads the flows of an interface over all the rings
	// of the group, by a hash that is the same for both directions.
	FanoutGroup uint16
}

func (o RingOptions) withDefaults() RingOptions {
	if o.BlockBytes <= 0 {
		o.BlockBytes = 1 << 20
	}
	if o.Blocks <= 0 {
		o.Blocks = 32
	}
	if o.Retire <= 0 {
		o.Retire = 50 * time.Millisecond
	}
	if o.SnapLength <= 0 {
		o.SnapLength = 1 << 16
	}
	return o
}

// RingStats are the kernel's counters of a Ring, since it was opened.
type RingStats struct {
	Received uint64 // packets the filter let through, the dropped ones too
	Dropped  uint64 // for want of room in the ring
	Freezes  uint64 // times the ring was full
}

// Add adds o to s.
func (s *RingStats) Add(o RingStats) {
	s.Received += o.Received
	s.Dropped += o.Dropped
	s.Freezes += o.Freezes
}
