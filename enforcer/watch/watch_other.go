//go:build !linux

package watch

import (
	"context"
	"errors"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// NFLOG listens to the reports of a ruleset; only Linux has them.
type NFLOG struct{}

// New prepares a listener whose Run fails.
func New(Options, *Book, Sink) *NFLOG { return &NFLOG{} }

func (n *NFLOG) String() string            { return "nflog" }
func (n *NFLOG) Ready() <-chan struct{}    { return nil }
func (n *NFLOG) Stats() Stats              { return Stats{} }
func (n *NFLOG) Run(context.Context) error { return errors.ErrUnsupported }

// RecordSink takes flow records; it must not keep the slice.
type RecordSink interface {
	Records([]flow.Record) error
}

// DiscoveryOptions of a Discovery.
type DiscoveryOptions struct {
	NetNS       int
	Sensor      string
	Active      time.Duration
	Connections int
	Process     func(flow.Key, bool) string
	CPUShare    float64
	Now         func() time.Time
}

// DiscoveryStats counts what a Discovery saw.
type DiscoveryStats struct {
	Records, Loopback, Malformed, Lost, Overflow uint64
	Used, Rested                                 time.Duration
}

// Discovery reports a host's own connections; only Linux can.
type Discovery struct{}

// NewDiscovery prepares a task whose Run fails.
func NewDiscovery(DiscoveryOptions, RecordSink) *Discovery { return &Discovery{} }

func (d *Discovery) String() string            { return "conntrack" }
func (d *Discovery) Ready() <-chan struct{}    { return nil }
func (d *Discovery) Stats() DiscoveryStats     { return DiscoveryStats{} }
func (d *Discovery) Run(context.Context) error { return errors.ErrUnsupported }

// Processes names local programs; only Linux tells.
type Processes struct{}

// NewProcesses knows none.
func NewProcesses(int) *Processes { return &Processes{} }

// Of returns "".
func (p *Processes) Of(flow.Key, bool) string { return "" }
