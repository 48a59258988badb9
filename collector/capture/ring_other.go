//go:build !linux

package capture

import (
	"errors"
	"fmt"
	"time"
)

// Ring reads packets of an interface; only Linux has it.
type Ring struct{}

// OpenRing returns errors.ErrUnsupported.
func OpenRing(name string, _ RingOptions) (*Ring, error) {
	return nil, fmt.Errorf("capture on %s: %w", name, errors.ErrUnsupported)
}

func (*Ring) Wait(time.Duration) (bool, error) { return false, errors.ErrUnsupported }
func (*Ring) Read(func(*Frame), func())        {}
func (*Ring) Stats() (RingStats, error)        { return RingStats{}, errors.ErrUnsupported }
func (*Ring) Close() error                     { return nil }
