//go:build !linux

package enforcer

import (
	"context"
	"errors"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
)

// Cutter gives a function that fails: only Linux tracks connections this way.
func Cutter(*nft.Kernel, int) func(context.Context, *policy.Set, *nft.Host) (int, error) {
	return func(context.Context, *policy.Set, *nft.Host) (int, error) { return 0, errors.ErrUnsupported }
}
