//go:build !linux

package enforcer

import (
	"context"
	"errors"

	"github.com/bulkhead/bulkhead/enforcer/nft"
)

// Track has the kernel follow connections; only Linux can.
func Track(context.Context, *nft.Kernel) (func(context.Context) error, error) {
	return nil, errors.ErrUnsupported
}

// CountTraffic turns accounting on; only Linux can.
func CountTraffic() (func() error, error) { return nil, errors.ErrUnsupported }
